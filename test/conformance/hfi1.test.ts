import { conformance, DRIVERS, udpPair } from '../../src/conformance/index.ts';

conformance('hfi1, simulated', DRIVERS.hfi1);
conformance('hfi1, UDP', DRIVERS.hfi1, () => udpPair(DRIVERS.hfi1, ['127.23.0.1', '127.23.0.2']));
