import { conformance } from 'infinitive/conformance';
import { Bare } from 'infinitive-driver-bare';

conformance('bare', {
  open: (link, clock, random) => new Bare({ link, clock, random }),
  port: 24800,
});
