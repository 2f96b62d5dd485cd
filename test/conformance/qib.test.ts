import { conformance, DRIVERS, udpPair } from '../../src/conformance/index.ts';

conformance('qib, simulated', DRIVERS.qib);
conformance('qib, UDP', DRIVERS.qib, () => udpPair(DRIVERS.qib, ['127.24.0.1', '127.24.0.2']));
