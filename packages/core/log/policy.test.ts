import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { cosignerKey, formatVerifierKey, noteKey, signerId } from './note.ts';
import type { Policy } from './policy.ts';
import {
  formatPolicy,
  isSatisfied,
  MAX_POLICY_BYTES,
  MAX_POLICY_ENTRIES,
  MAX_POLICY_LINES,
  parsePolicy,
} from './policy.ts';

const badPolicy = { name: 'CoreError', code: 'bad-policy' };
const witnesses = Array.from({ length: MAX_POLICY_ENTRIES + 1 }, (_, i) => ({
  name: `w${i}`,
  key: cosignerKey(4, `w${i}.example`, new Uint8Array(32).fill(i)),
  url: null,
}));
const [w0, w1, w2] = witnesses.slice(0, 3) as [
  (typeof witnesses)[0],
  (typeof witnesses)[0],
  (typeof witnesses)[0],
];
const log = { key: noteKey('log.example', new Uint8Array(32).fill(200)), url: null };
const empty: Policy = { logs: [], witnesses: [], groups: [], quorum: null };

/** A policy of any shape: witnesses, then groups of what is free, then a quorum. */
const anyPolicy = fc
  .record({
    count: fc.integer({ min: 0, max: 12 }),
    cuts: fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(9)), { maxLength: 6 }),
    url: fc.constantFrom(null, 'https://w.example/', '#', '\u00ff'),
    quorum: fc.nat(),
  })
  .map(({ count, cuts, url, quorum }): Policy => {
    const known = witnesses.slice(0, count).map((witness) => ({ ...witness, url }));
    const free = known.map(({ name }) => name);
    const groups = cuts.flatMap(([take, threshold], i) => {
      const members = free.splice(0, take);
      if (members.length === 0) return [];
      free.push(`g${i}`);
      return [{ name: `g${i}`, threshold: 1 + (threshold % members.length), members }];
    });
    const names = [null, ...known.map(({ name }) => name), ...groups.map(({ name }) => name)];
    const chosen = names[quorum % names.length] as string | null;
    return { logs: [{ ...log, url }], witnesses: known, groups, quorum: chosen };
  });

/** What the specification says of a name, word for word and without regard to cost. */
function hasWitnessed(policy: Policy, name: string, cosigners: ReadonlySet<string>): boolean {
  const witness = policy.witnesses.find((each) => each.name === name);
  if (witness !== undefined) return cosigners.has(signerId(witness.key));
  const group = policy.groups.find((each) => each.name === name);
  assert.ok(group);
  const witnessed = group.members.filter((member) => hasWitnessed(policy, member, cosigners));
  return witnessed.length >= group.threshold;
}

describe('a policy', () => {
  it('over its bounds is refused', () => {
    const line = 'quorum none\n';
    const filled = (lines: number) => utf8(`${'\n'.repeat(lines - 1)}${line}`);
    assert.equal(parsePolicy(filled(MAX_POLICY_LINES)).quorum, null);
    assert.throws(() => parsePolicy(filled(MAX_POLICY_LINES + 1)), badPolicy);
    const comment = (bytes: number) => utf8(`#${'x'.repeat(bytes - line.length - 2)}\n${line}`);
    assert.equal(parsePolicy(comment(MAX_POLICY_BYTES)).quorum, null);
    assert.throws(() => parsePolicy(comment(MAX_POLICY_BYTES + 1)), badPolicy);

    const many = witnesses.slice(0, MAX_POLICY_ENTRIES);
    assert.equal(
      parsePolicy(formatPolicy({ ...empty, witnesses: many })).witnesses.length,
      MAX_POLICY_ENTRIES,
    );
    assert.throws(() => formatPolicy({ ...empty, witnesses }), badPolicy);
    const logs = witnesses.map(({ name, key }) => ({
      key: noteKey(name, key.publicKey),
      url: null,
    }));
    assert.throws(() => formatPolicy({ ...empty, logs }), badPolicy);
    const groups = witnesses.map((_, i) => ({
      name: `g${i}`,
      threshold: 1,
      members: [i === 0 ? 'w0' : `g${i - 1}`],
    }));
    assert.throws(() => formatPolicy({ ...empty, witnesses: [w0], groups }), badPolicy);
  });

  it('is refused with the number of its line and nothing of what it says', () => {
    const file = utf8(`# first\nwitness secret-name ${formatVerifierKey(log.key)}\nquorum none\n`);
    assert.throws(
      () => parsePolicy(file),
      (error: Error) => error.message.startsWith('line 2: ') && !error.message.includes('secret'),
    );
  });

  it('that no file says is not written', () => {
    const policies: Policy[] = [
      { ...empty, quorum: 'none' },
      { ...empty, quorum: 'w0' },
      { ...empty, witnesses: [{ ...w0, name: 'a b' }] },
      { ...empty, witnesses: [{ ...w0, name: '' }] },
      { ...empty, witnesses: [{ ...w0, name: 'a\nquorum none' }] },
      { ...empty, witnesses: [{ ...w0, name: '\u0100' }] },
      { ...empty, witnesses: [{ ...w0, url: '' }] },
      { ...empty, witnesses: [{ ...w0, url: 'a b' }] },
      { ...empty, witnesses: [w0, { ...w1, key: w0.key }] },
      { ...empty, witnesses: [{ ...w0, key: { ...w0.key, keyId: 1 } }] },
      { ...empty, witnesses: [w0], groups: [{ name: 'g', threshold: 0, members: ['w0'] }] },
      { ...empty, witnesses: [w0], groups: [{ name: 'g', threshold: 1.5, members: ['w0'] }] },
      { ...empty, witnesses: [w0], groups: [{ name: 'g', threshold: 1, members: ['w0', 'w0'] }] },
      { ...empty, groups: [{ name: 'g', threshold: 1, members: [] }] },
      { ...empty, groups: [{ name: 'g', threshold: 1, members: ['g'] }] },
    ];
    for (const policy of policies) assert.throws(() => formatPolicy(policy), badPolicy);
  });

  it('asks for the key and not for the name alone', () => {
    const policy: Policy = { ...empty, witnesses: [w0], quorum: 'w0' };
    const stranger = cosignerKey(4, w0.key.name, new Uint8Array(32).fill(99));
    for (const id of ['w0', w0.key.name, signerId(stranger), signerId(w1.key)]) {
      assert.equal(isSatisfied(policy, new Set([id])), false, id);
    }
    assert.equal(isSatisfied(policy, new Set([signerId(w0.key)])), true);
  });

  it('is satisfied as its groups say, of whatever depth, and by more wherever by fewer', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(fc.nat(11)), fc.nat(11), (policy, picks, more) => {
        const ids = picks.map((i) => signerId((witnesses[i] as typeof w2).key));
        const cosigners = new Set(ids);
        const expected = policy.quorum === null || hasWitnessed(policy, policy.quorum, cosigners);
        assert.equal(isSatisfied(policy, cosigners), expected);
        cosigners.add(signerId((witnesses[more] as typeof w2).key));
        assert.ok(!expected || isSatisfied(policy, cosigners));
      }),
      { numRuns: 500 },
    );
  });

  it('comes back', () => {
    fc.assert(
      fc.property(anyPolicy, (policy) => {
        assert.deepEqual(parsePolicy(formatPolicy(policy)), policy);
      }),
    );
  });

  it('is refused with a code or read, whatever came', () => {
    const valid = formatPolicy({
      logs: [log],
      witnesses: [w0, w1, w2],
      groups: [{ name: 'g', threshold: 2, members: ['w0', 'w1', 'w2'] }],
      quorum: 'g',
    });
    const mutated = fc
      .tuple(fc.nat(), fc.uint8Array({ maxLength: 3 }), fc.nat(3))
      .map(([pick, put, drop]) => {
        const at = pick % valid.length;
        return concat(valid.subarray(0, at), put, valid.subarray(at + drop));
      });
    const words = fc
      .array(
        fc.constantFrom('log', 'witness', 'group', 'quorum', 'none', 'any', 'all', '1', 'a', '\n'),
        { maxLength: 30 },
      )
      .map((items) => utf8(`${items.join(' ')}\n`));
    fc.assert(
      fc.property(fc.oneof(mutated, words, fc.uint8Array()), (bytes) => {
        let policy: Policy;
        try {
          policy = parsePolicy(bytes);
        } catch (error) {
          assert.ok(error instanceof CoreError && error.code === 'bad-policy', String(error));
          return;
        }
        assert.deepEqual(parsePolicy(formatPolicy(policy)), policy);
      }),
      { numRuns: 3_000 },
    );
  });
});
