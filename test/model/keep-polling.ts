import type { Node } from '../transport/fabric.ts';

/** The engine takes in a limited number of packets at a time and is then to be asked again, whatever it says of being idle. */
export function keepPolling(node: Node): void {
  const { engine } = node.rxe;
  const progress = engine.progress.bind(engine);
  engine.progress = () => {
    const received = progress();
    if (received > 0) node.schedule();
    return received;
  };
}
