import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDeclarationFile } from './parse.ts';
import { readShipped } from './shipped.ts';
import { describeHolding, summariseHolding } from './views.ts';

const parsed = parseDeclarationFile(readShipped('travel-history'));
assert.ok(parsed.ok);
const { declaration } = parsed;

test('a holding is summarised in the language asked for', () => {
  assert.equal(summariseHolding(declaration, 'en').title, 'Travel history');
  assert.equal(summariseHolding(declaration, 'ur').controller, 'ڈیمو بارڈر سروس');
});

test('a holding is described with its terms in words and its fields by group', () => {
  const view = describeHolding(declaration, 'en');
  assert.equal(view.legalBases[1]?.label, 'Legal Obligation');
  assert.equal(view.retentionFrom, 'Date and time of crossing');
  assert.deepEqual(
    view.groups.map(({ group, fields }) => [group, fields.map(({ name }) => name)]),
    [
      ['identity', ['cnic', 'name']],
      ['crossing', ['crossed_at', 'direction', 'post']],
      ['journey', ['carrier']],
      ['document', ['document']],
    ],
  );
});
