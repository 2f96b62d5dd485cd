"""Runs pyverbs' own test-suite, as run_tests.py beside it does, and prints a JSON line for each test.

usage: pyverbs-run.py TESTS-DIRECTORY [options of run_tests.py]
"""
import json
import os
import sys
import unittest

directory = os.path.abspath(sys.argv.pop(1))
sys.path[:0] = [directory, os.path.dirname(directory)]

from args_parser import parser  # noqa: E402  (of the suite)
import tests  # noqa: E402
from tests.base import RDMACMBaseTest, RDMATestCase  # noqa: E402

# The tests of rdma_cm want the address of the interface that the device is a card of. The device of a run has addresses itself.
select_config = RDMATestCase._select_config


def select_address(self):
    select_config(self)
    if isinstance(self, RDMACMBaseTest) and self.ip_addr is None:
        with open(f'/sys/class/infiniband/{self.dev_name}/ports/{self.ib_port}/gids/{self.gid_index}') as file:
            gid = bytes.fromhex(file.read().strip().replace(':', ''))
        self.ip_addr = '.'.join(str(byte) for byte in gid[12:])


RDMATestCase._select_config = select_address


class Report(unittest.TestResult):
    def say(self, test, result, why=''):
        print(json.dumps({'test': test.id(), 'result': result, 'why': why}), flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.say(test, 'started')

    def addSuccess(self, test):
        self.say(test, 'passed')

    def addSkip(self, test, reason):
        self.say(test, 'skipped', reason)

    def addFailure(self, test, err):
        self.say(test, 'failed', self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self.say(test, 'failed', self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addFailure(test, err)


parser.parse_args()
unittest.main(module=tests, testRunner=type('Runner', (), {'__init__': lambda self, **_: None, 'run': lambda self, suite: suite(Report())}))
