import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { PlainValue } from '../holdings/yaml.ts';
import { readYaml } from '../holdings/yaml.ts';
import { CliError } from './errors.ts';
import { describeSealRules, parseSealRules } from './seal-rules-file.ts';

const schema = JSON.parse(
  readFileSync(new URL('../seals/rules.schema.json', import.meta.url), 'utf8'),
);
const fitsSchema = new Ajv2020({ strict: true }).compile(schema);
const EXAMPLE = readFileSync(new URL('../../../docs/examples/seal-rules.yaml', import.meta.url));

interface Loose {
  [member: string]: unknown;
}

function example(): Loose & { grounds: Loose[]; agencies: Loose[] } {
  const read = readYaml(EXAMPLE);
  assert.ok(read.ok);
  return structuredClone(read.value) as never;
}

type Change = (rules: ReturnType<typeof example>) => void;

test('rules that are not in their form are refused by place, by the command and the published schema alike', () => {
  const wrong: readonly (readonly [Change, RegExp])[] = [
    [(rules) => Object.assign(rules, { owner: 'x' }), /rules: expected no member ‘owner’/],
    [(rules) => delete rules.jurisdiction, /jurisdiction/],
    [(rules) => Object.assign(rules, { grounds: 'any' }), /grounds: expected a list/],
    [(rules) => delete (rules as Loose).agencies, /agencies: expected a list/],
    [(rules) => Object.assign(rules.grounds[0] as Loose, { ground: 'because' }), /grounds\[0\]/],
    [(rules) => Object.assign(rules.grounds[1] as Loose, { 'days at most': 0 }), /grounds\[1\]/],
    [
      (rules) => Object.assign(rules.grounds[1] as Loose, { 'days at most': '9' }),
      /ground 2, days/,
    ],
    [(rules) => Object.assign(rules.grounds[0] as Loose, { 'days at most': 4000 }), /daysMax/],
    [(rules) => delete rules.grounds[0]?.source, /ground 1, source/],
    [
      (rules) => Object.assign(rules.grounds[0] as Loose, { title: { en: 'x' } }),
      /ground 1, title/,
    ],
    [(rules) => Object.assign(rules.grounds[0] as Loose, { until: 'x' }), /no member ‘until’/],
    [(rules) => Object.assign(rules.agencies[0] as Loose, { agency: 'Police' }), /agencies\[0\]/],
    [(rules) => Object.assign(rules.agencies[0] as Loose, { 'sealed at a time': -1 }), /openMax/],
  ];
  for (const [change, expected] of wrong) {
    const rules = example();
    change(rules);
    assert.ok(!fitsSchema(rules), JSON.stringify(rules));
    assert.throws(
      () => parseSealRules(rules as unknown as PlainValue),
      (error) => error instanceof CliError && expected.test(error.message),
      String(expected),
    );
  }
});

test('one ground, or one agency, with two bounds is refused', () => {
  for (const member of ['grounds', 'agencies'] as const) {
    const rules = example();
    rules[member].push(rules[member][0] as Loose);
    assert.throws(() => parseSealRules(rules as unknown as PlainValue), /one stands there twice/);
  }
});

test('the example fits both, and says in words what it says', () => {
  const rules = example();
  assert.ok(fitsSchema(rules), JSON.stringify(fitsSchema.errors));
  const words = describeSealRules(parseSealRules(rules as unknown as PlainValue)).join('\n');
  assert.match(words, /Investigation of a crime/);
  assert.match(words, /days at most {2}365, counted from the look-up/);
  assert.match(words, /demo-police: at most 100 sealed at a time/);
});
