import { conformance, type DriverUnderTest, udpPair } from '../../src/conformance/index.ts';
import { Rxe } from '../../src/drivers/rxe/driver.ts';

const driver: DriverUnderTest = { open: (link, clock, random) => new Rxe({ link, clock, random }) };

conformance('rxe, simulated', driver);
conformance('rxe, UDP', driver, () => udpPair(driver, ['127.21.0.1', '127.21.0.2']));
