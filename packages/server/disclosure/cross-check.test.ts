import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '@amanat/core/grants';
import { decisionsDiffer } from './cross-check.ts';

const allowed: Decision = { outcome: 'allowed', rules: ['row'] };
const second: Decision = { outcome: 'second-person', rules: ['row'], reasons: ['bulk'] };
const refused = (code: Extract<Decision, { outcome: 'refused' }>['code']): Decision => ({
  outcome: 'refused',
  code,
  rule: null,
  holding: null,
});

test('the keeper allowing what the table refuses is a difference', () => {
  assert.ok(decisionsDiffer(refused('no-grant'), allowed));
  assert.ok(decisionsDiffer(refused('forbidden'), second));
  assert.ok(decisionsDiffer(second, allowed));
  assert.ok(decisionsDiffer(null, allowed));
});

test('the keeper refusing what the table allows is a difference', () => {
  assert.ok(decisionsDiffer(allowed, refused('no-grant')));
  assert.ok(decisionsDiffer(refused('undeclared-purpose'), refused('no-grant')));
  assert.ok(decisionsDiffer(allowed, second));
});

test('budgets, hours and protection are the keeper’s to know', () => {
  assert.ok(!decisionsDiffer(allowed, refused('budget-spent')));
  assert.ok(!decisionsDiffer(second, refused('agency-budget-spent')));
  assert.ok(!decisionsDiffer(allowed, refused('outside-hours')));
  assert.ok(!decisionsDiffer(refused('outside-hours'), allowed));
  assert.ok(!decisionsDiffer(allowed, { ...second, reasons: ['protected'] } as Decision));
});

test('two of one mind do not differ', () => {
  for (const each of [allowed, second, refused('no-grant')]) {
    assert.ok(!decisionsDiffer(each, each));
  }
});
