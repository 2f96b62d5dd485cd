// `--import` this: the names that a package of a third party imports, as the sources of this repository.
import { registerHooks } from 'node:module';

const NAMES: Readonly<Record<string, string>> = {
  infinitive: '../../src/api/index.ts',
  'infinitive/driver': '../../src/drivers/kit.ts',
  'infinitive/conformance': '../../src/conformance/index.ts',
  'infinitive-driver-bare': '../../examples/driver-package/src/driver.ts',
};

registerHooks({
  resolve(specifier, context, next) {
    const source = NAMES[specifier];
    return source === undefined
      ? next(specifier, context)
      : { url: new URL(source, import.meta.url).href, shortCircuit: true };
  },
});
