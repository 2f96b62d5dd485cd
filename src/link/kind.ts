import { isLinux } from '../os/ffi.ts';

/** What a device's packets go through; `openDevice` says what each means. */
export type LinkKind = 'auto' | 'udp' | 'dgram';

export const LINK_KINDS: readonly LinkKind[] = ['auto', 'udp', 'dgram'];

export const defaultLink = (): LinkKind => (isLinux() ? 'auto' : 'dgram');
