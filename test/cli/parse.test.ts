import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parseInteger, parseNumber, parseProbability, parseSize } from '../../src/cli/parse.ts';

test('sizes', () => {
  const sizes = { '1': 1, '64': 64, '4k': 4096, '1M': 1 << 20, '1g': 1 << 30 };
  for (const [text, size] of Object.entries(sizes)) assert.equal(parseSize(text), size);
  for (const text of ['', '0', '-1', '1.5k', 'k', '2g', '1e3', ' 8', '0x10'])
    assert.throws(() => parseSize(text), /Bytes/);
});

test('integers', () => {
  const parse = parseInteger(1, 10);
  assert.equal(parse('10'), 10);
  for (const text of ['', '0', '11', '1.5', 'x', '1e1']) assert.throws(() => parse(text), /An integer from 1 to 10/);
});

test('numbers', () => {
  const parse = parseNumber(0.5, 2);
  assert.equal(parse('1.5'), 1.5);
  for (const text of ['', ' ', '0.4', '3', 'x', 'NaN']) assert.throws(() => parse(text), /A number from 0.5 to 2/);
});

test('probabilities', () => {
  assert.equal(parseProbability('0.01'), 0.01);
  assert.equal(parseProbability('1%'), 0.01);
  assert.equal(parseProbability('0'), 0);
  assert.equal(parseProbability('100%'), 1);
  for (const text of ['', '%', '1.1', '101%', '-1', 'x']) assert.throws(() => parseProbability(text), /probability/);
});

test('addresses', () => {
  for (const text of ['192.0.2.1', '::1', 'fe80::1%eth0']) assert.equal(parseAddress(text), text);
  for (const text of ['', 'localhost', '192.0.2', '1.2.3.4.5']) assert.throws(() => parseAddress(text), /address/);
});
