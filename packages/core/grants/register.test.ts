import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { base64, fromBase64, hex } from '../bytes.ts';
import type { Json } from '../canonical.ts';
import { canonicalText } from '../canonical.ts';
import type { SigningKey } from '../keys/sign.ts';
import { generateSigningKey, sign } from '../keys/sign.ts';
import { encodePublicLeaf, parseLeaf } from '../log/entry.ts';
import { cosignerKey, formatVerifierKey, noteKey } from '../log/note.ts';
import type { Signed } from './documents.ts';
import { documentHash, signingInput } from './documents.ts';
import type { EntryRefusal } from './register.ts';
import { Register, signedLeaf } from './register.ts';

const T = Date.UTC(2026, 10, 23, 9);
const DELAY_SECONDS = 3600;
const IN_FORCE = T + DELAY_SECONDS * 1000;
const NAME = { en: 'trial', ur: 'trial' };
const CONTACT = { email: 'office@example.org', phone: null, address: null };
const TERM = 'https://w3id.org/dpv#EnforceSecurity';

const administrators = [generateSigningKey('ed25519'), generateSigningKey('p256')] as const;
const registrar = generateSigningKey('ed25519');
const officer = generateSigningKey('ed25519');
const importer = generateSigningKey('p256');
const stranger = generateSigningKey('ed25519');

let register: Register;
let index: number;
beforeEach(() => {
  register = new Register();
  index = 0;
});

/** A document signed by each of these keys. The text is canonical even where the document is not valid. */
function signed(document: object, ...keys: readonly SigningKey[]): Signed {
  const text = canonicalText(document as never);
  const signatures = keys.map((key) => ({
    key: key.public.id,
    signature: base64(sign(key, signingInput(text))),
  }));
  return { document: text, signatures };
}

function byBoth(document: object): Signed {
  return signed(document, ...administrators);
}

/** Applies, and sees that `check` said the same beforehand and changed nothing. */
function apply(entry: Signed, time: number = T): EntryRefusal | null {
  const checked = register.check(entry, time);
  assert.equal(register.check(entry, time), checked);
  const applied = register.apply(index++, entry, time);
  assert.equal(applied, checked);
  return applied;
}

function takes(...entries: readonly Signed[]): void {
  for (const entry of entries) assert.equal(apply(entry), null, entry.document);
}

function genesis(changes: object = {}): object {
  return {
    type: 'genesis',
    origin: 'example.org/log',
    mode: 'trial',
    logKey: 'example.org/log+00000000+AAAA',
    keeperKey: registrar.public.text,
    keeperSealingKey: `${'A'.repeat(87)}=`,
    administrators: administrators.map((key) => key.public.text),
    registrar: registrar.public.text,
    activationSeconds: DELAY_SECONDS,
    time: T,
    ...changes,
  };
}

function agency(changes: object = {}): object {
  return {
    type: 'agency',
    agency: 'police',
    version: 1,
    name: NAME,
    contact: CONTACT,
    subjectsPerDay: 10,
    time: T,
    ...changes,
  };
}

function certificate(key: SigningKey, changes: object = {}): object {
  return {
    type: 'certificate',
    key: key.public.text,
    version: 1,
    person: 'o-1',
    agency: 'police',
    line: 'line-a',
    role: 'officer',
    subjectsPerDay: 10,
    notAfter: T + 86_400_000,
    time: T,
    ...changes,
  };
}

function revocation(key: SigningKey, version: number): object {
  return { type: 'revocation', key: key.public.id, version, reason: 'lost', time: T };
}

function declaration(changes: object = {}): object {
  const field = { name: 'cnic', title: NAME, type: 'cnic', category: TERM, group: 'identity' };
  return {
    type: 'declaration',
    holding: 'sims',
    version: 1,
    title: NAME,
    controller: { id: 'telecom', name: NAME, contact: CONTACT },
    purposes: [TERM],
    legalBases: [TERM],
    recipients: ['police'],
    primaryIdentifier: 'cnic',
    recordKey: [],
    eventDate: null,
    retentionMonths: 12,
    reviewDate: '2027-06-30',
    fields: [{ ...field, identifier: 'primary', required: true, values: null }],
    ...changes,
  };
}

function grants(version: number, time = T): object {
  return { type: 'grants', version, utcOffsetMinutes: 0, rows: [], time };
}

function sealRules(version: number, time = T): object {
  return { type: 'seal-rules', version, jurisdiction: 'x', grounds: [], agencies: [], time };
}

function importBegun(changes: object = {}): object {
  return {
    type: 'import-begun',
    holding: 'sims',
    rowLimit: 10,
    commitment: 'ab'.repeat(32),
    nonce: hex(randomBytes(16)),
    time: T,
    ...changes,
  };
}

function importEnded(of: number): object {
  const counts = { rows: 1, stored: 1, unchanged: 0, rejected: 0 };
  return { type: 'import-ended', import: of, ...counts, root: 'cd'.repeat(32), time: T };
}

const COUNTED = { type: 'refusals-counted', agency: 'police', hour: '2026-11-23T09Z', count: 2 };

function begin(): void {
  takes(signed(genesis()));
}

/** Genesis, agency, declaration, and an importer whose certificate is in force at IN_FORCE. */
function ready(): void {
  begin();
  takes(
    byBoth(agency()),
    byBoth(declaration()),
    byBoth(certificate(importer, { role: 'importer', agency: 'telecom', person: 'i-1' })),
  );
}

describe('genesis', () => {
  it('before it nothing takes effect', () => {
    for (const document of [agency(), declaration(), grants(1), certificate(officer)]) {
      assert.equal(apply(byBoth(document)), 'no-genesis');
    }
    assert.equal(apply(signed(importBegun(), importer)), 'no-genesis');
    assert.equal(apply(signed(COUNTED)), 'no-genesis');
    assert.equal(register.signedByAdministrators(byBoth(agency())), false);
    assert.equal(register.registrar, null);
  });

  it('is taken once, and unsigned', () => {
    assert.equal(apply(byBoth(genesis())), 'unsigned-expected');
    begin();
    assert.equal(apply(signed(genesis())), 'second-genesis');
    assert.equal(
      apply(signed(genesis({ administrators: [stranger.public.text, officer.public.text] }))),
      'second-genesis',
    );
    assert.equal(register.registrar?.id, registrar.public.id);
  });

  it('with a key that does not parse is malformed, and leaves no part of itself', () => {
    const bad = `ed25519:${base64(new Uint8Array(31))}`;
    for (const changes of [
      { registrar: bad },
      { administrators: [administrators[0].public.text, bad] },
    ]) {
      assert.equal(apply(signed(genesis(changes))), 'malformed');
    }
    assert.deepEqual([register.genesis, register.registrar], [null, null]);
    begin();
  });
});

describe('two administrators', () => {
  beforeEach(begin);

  it('one, one twice, a third, a stranger, or another document’s signatures are not enough', () => {
    const [first, second] = administrators;
    const document = agency();
    const other = byBoth(agency({ subjectsPerDay: 11 }));
    for (const entry of [
      signed(document),
      signed(document, first),
      signed(document, second),
      signed(document, first, first),
      signed(document, first, stranger),
      signed(document, first, second, stranger),
      signed(document, registrar, stranger),
      { ...byBoth(document), signatures: other.signatures },
    ]) {
      assert.equal(apply(entry), 'not-two-administrators');
    }
    assert.equal(register.latestVersion('agency', 'police'), 0);
    takes(signed(document, second, first));
  });

  it('a signature under another key’s id, or that is no base64, is none', () => {
    const good = byBoth(agency());
    const [one, two] = good.signatures as [Signed['signatures'][0], Signed['signatures'][0]];
    for (const signatures of [
      [
        { ...one, key: two.key },
        { ...two, key: one.key },
      ],
      [one, { ...two, signature: '!' }],
      [one, { ...two, signature: '' }],
      [one, { ...two, signature: `${two.signature} ` }],
    ]) {
      assert.equal(apply({ ...good, signatures }), 'not-two-administrators');
    }
  });
});

describe('versions', () => {
  beforeEach(begin);

  it('go up by one, of agencies, declarations, grants and certificates alike', () => {
    takes(byBoth(agency()), byBoth(declaration()), byBoth(grants(1)), byBoth(certificate(officer)));
    const documents = [
      (version: number) => agency({ version }),
      (version: number) => declaration({ version }),
      (version: number) => grants(version),
      (version: number) => certificate(officer, { version }),
    ];
    for (const document of documents) {
      for (const version of [1, 3]) {
        assert.equal(apply(byBoth(document(version))), 'version-not-next');
      }
      takes(byBoth(document(2)));
      assert.equal(apply(byBoth(document(1))), 'version-not-next');
    }
    assert.deepEqual(
      [
        register.latestVersion('agency', 'police'),
        register.latestVersion('declaration', 'sims'),
        register.latestVersion('grants', ''),
        register.latestVersion('certificate', officer.public.id),
      ],
      [2, 2, 2, 2],
    );
  });

  it('are in force after the delay and not a moment before, the former one until then', () => {
    takes(byBoth(agency()), byBoth(declaration()), byBoth(grants(1)), byBoth(certificate(officer)));
    const before = IN_FORCE - 1;
    assert.equal(register.agency('police', before), null);
    assert.equal(register.declaration('sims', before), null);
    assert.equal(register.declarations(before).size, 0);
    assert.deepEqual(
      register
        .declarationsToCome(before)
        .map(({ declaration, from }) => [declaration.holding, from]),
      [['sims', IN_FORCE]],
    );
    assert.deepEqual(register.declarationsToCome(IN_FORCE), []);
    assert.deepEqual(register.agencies(before), []);
    assert.equal(register.grants(before), null);
    assert.equal(register.key(officer.public.id, before), 'not-yet-active');
    assert.equal(register.agency('police', IN_FORCE)?.version, 1);
    assert.equal(register.declaration('sims', IN_FORCE)?.version, 1);
    assert.equal(register.declarationIndex('sims', IN_FORCE), 2);
    assert.equal(register.grants(IN_FORCE)?.version, 1);
    assert.notEqual(typeof register.key(officer.public.id, IN_FORCE), 'string');

    const later = IN_FORCE + 1;
    assert.equal(apply(byBoth(grants(2, later)), later), null);
    assert.equal(register.grants(later + DELAY_SECONDS * 1000 - 1)?.version, 1);
    assert.equal(register.grants(later + DELAY_SECONDS * 1000)?.version, 2);
  });

  describe('taken in late, of agencies, grants and seal rules', () => {
    const delay = DELAY_SECONDS * 1000;
    const late = IN_FORCE + 30 * 86_400_000;
    const inForce = (time: number) => [
      register.agency('police', time)?.version,
      register.grants(time)?.version,
      register.sealRules(time)?.version,
    ];
    /** The second versions, signed at `time` and taken in 30 days after the first were in force. */
    function replace(time: number): void {
      takes(byBoth(agency()), byBoth(grants(1)), byBoth(sealRules(1)));
      for (const next of [agency({ version: 2, time }), grants(2, time), sealRules(2, time)]) {
        assert.equal(apply(byBoth(next), late), null);
      }
    }

    it('end the former at once where their delay is twice over by their own time, and give nothing early', () => {
      replace(late - 2 * delay);
      assert.deepEqual(inForce(late - 1), [1, 1, 1]);
      for (const time of [late, late + delay - 1]) {
        assert.deepEqual(inForce(time), [undefined, undefined, undefined]);
      }
      assert.deepEqual(inForce(late + delay), [2, 2, 2]);
    });

    it('are not to be entered where their delay is over by their own time', () => {
      takes(byBoth(agency()));
      for (const [time, isOld] of [
        [late - delay, true],
        [late - delay + 1, false],
      ] as const) {
        for (const next of [agency({ version: 2, time }), grants(2, time), sealRules(2, time)]) {
          assert.equal(register.isSignedLongAgo(byBoth(next), late), isOld);
        }
        // Nothing ends by a declaration's coming late.
        assert.equal(register.isSignedLongAgo(byBoth(declaration({ time })), late), false);
      }
    });

    it('leave the former in force for the delay where it is not', () => {
      replace(late - 2 * delay + 1);
      assert.deepEqual(inForce(late + delay - 1), [1, 1, 1]);
      assert.deepEqual(inForce(late + delay), [2, 2, 2]);
    });
  });

  it('a holding keeps its controller', () => {
    takes(byBoth(declaration()));
    const moved = declaration({
      version: 2,
      controller: { id: 'other', name: NAME, contact: CONTACT },
    });
    assert.equal(apply(byBoth(moved)), 'primary-changed');
  });
});

describe('certificates and revocations', () => {
  beforeEach(() => {
    begin();
    takes(byBoth(agency()));
  });
  const key = (time: number = IN_FORCE) => register.key(officer.public.id, time);

  it('of an unknown agency, an importer’s of an undeclared controller, and another’s key are refused', () => {
    assert.equal(apply(byBoth(certificate(officer, { agency: 'border' }))), 'unknown-agency');
    const imports = { role: 'importer', agency: 'telecom' };
    assert.equal(apply(byBoth(certificate(importer, imports))), 'unknown-agency');
    takes(byBoth(certificate(officer)));
    const handedOn = certificate(officer, { version: 2, person: 'o-2' });
    assert.equal(apply(byBoth(handedOn)), 'key-taken');
    const bad = `ed25519:${base64(new Uint8Array(32))}`;
    assert.equal(apply(byBoth({ ...certificate(officer), key: bad })), 'malformed');
  });

  it('an unknown key has no authority, and one past its day has none', () => {
    assert.equal(register.key(stranger.public.id, IN_FORCE), 'unknown-key');
    assert.equal(register.key('__proto__', IN_FORCE), 'unknown-key');
    takes(byBoth(certificate(officer)));
    assert.notEqual(typeof key(T + 86_400_000 - 1), 'string');
    assert.equal(key(T + 86_400_000), 'expired-key');
  });

  it('a revocation works at once, for every moment, and two administrators must sign it', () => {
    takes(byBoth(certificate(officer)));
    assert.equal(
      apply(signed(revocation(officer, 1), administrators[0])),
      'not-two-administrators',
    );
    assert.notEqual(typeof key(), 'string');
    takes(byBoth(revocation(officer, 1)));
    assert.equal(key(), 'revoked-key');
  });

  it('a revocation of an unknown key, of a lower version, or once more is refused', () => {
    assert.equal(apply(byBoth(revocation(stranger, 1))), 'unknown-key');
    takes(byBoth(certificate(officer)), byBoth(certificate(officer, { version: 2 })));
    assert.equal(apply(byBoth(revocation(officer, 1))), 'version-not-next');
    takes(byBoth(revocation(officer, 2)));
    assert.equal(apply(byBoth(revocation(officer, 2))), 'version-not-next');
  });

  it('after a revocation only a higher version is in force again, after its delay', () => {
    takes(byBoth(certificate(officer)), byBoth(revocation(officer, 5)));
    for (const version of [1, 2, 5, 7]) {
      assert.equal(apply(byBoth(certificate(officer, { version }))), 'version-not-next');
    }
    takes(byBoth(certificate(officer, { version: 6 })));
    assert.equal(key(IN_FORCE - 1), 'not-yet-active');
    const found = key();
    assert.ok(typeof found !== 'string' && found.certificate.version === 6);
  });

  it('a version that waits does not lift the revocation of the one before', () => {
    takes(byBoth(certificate(officer)));
    assert.equal(apply(byBoth(revocation(officer, 1)), IN_FORCE), null);
    assert.equal(apply(byBoth(certificate(officer, { version: 2 })), IN_FORCE), null);
    assert.equal(key(IN_FORCE), 'revoked-key');
    assert.notEqual(typeof key(IN_FORCE + DELAY_SECONDS * 1000), 'string');
  });
});

describe('the log’s keys', () => {
  const ORIGIN = 'example.org/log';
  const [first, second, third] = [1, 2, 3].map(() => generateSigningKey('ed25519')) as [
    SigningKey,
    SigningKey,
    SigningKey,
  ];
  const textOf = (key: SigningKey, origin = ORIGIN) =>
    formatVerifierKey(noteKey(origin, fromBase64(key.public.text.slice('ed25519:'.length))));
  const next = (key: SigningKey, changes: object = {}) => ({
    type: 'log-key',
    version: 1,
    key: textOf(key),
    bothUntil: T,
    time: T,
    ...changes,
  });
  const keys = () => register.logKeys.map(({ key }) => key);
  beforeEach(() => takes(signed(genesis({ logKey: textOf(first) }))));

  it('there is none before the genesis, and nothing names one then', () => {
    register = new Register();
    assert.deepEqual(register.logKeys, []);
    const entry = signed(next(second), ...administrators, first, second);
    assert.equal(register.logKeyAfter([entry]), null);
    assert.equal(apply(entry), 'no-genesis');
  });

  it('another is named by both administrators, the present key and the next one, and by no fewer', () => {
    const document = next(second);
    const [one, other] = administrators;
    for (const [expected, signers] of [
      ['not-the-log', administrators],
      ['not-the-log', [one, other, first]],
      ['not-the-log', [one, other, second]],
      ['not-the-log', [one, other, third, second]],
      ['not-two-administrators', [one, first, second]],
      ['not-two-administrators', [first, second]],
      ['not-two-administrators', [one, stranger, first, second]],
      ['not-two-administrators', []],
    ] as const) {
      assert.equal(apply(signed(document, ...signers)), expected);
      assert.equal(register.logKeyAfter([signed(document, ...signers)]), textOf(first));
    }
    assert.deepEqual(keys(), [textOf(first)]);
  });

  it('a key of another origin, in no form, of an earlier turn or out of turn is refused', () => {
    const all = [...administrators, first, second];
    assert.equal(
      apply(signed(next(second, { key: textOf(second, 'a.org/log') }), ...all)),
      'malformed',
    );
    assert.equal(apply(signed(next(second, { key: second.public.text }), ...all)), 'malformed');
    assert.equal(apply(signed(next(second, { version: 2 }), ...all)), 'version-not-next');
    assert.equal(apply(signed(next(first), ...administrators, first)), 'key-taken');
    takes(signed(next(second), ...all));
    const back = next(first, { version: 2 });
    assert.equal(apply(signed(back, ...administrators, first, second)), 'key-taken');
  });

  it('each is named by the one before it, at once, also in entries that are only on their way', () => {
    const entries = [
      signed(next(second), ...administrators, first, second),
      signed(next(third, { version: 2 }), ...administrators, second, third),
    ];
    assert.equal(register.logKeyAfter([]), textOf(first));
    assert.equal(register.logKeyAfter(entries), textOf(third));
    // Out of their order the second follows nothing.
    assert.equal(register.logKeyAfter(entries.toReversed()), textOf(second));
    assert.deepEqual(keys(), [textOf(first)]);
    takes(...entries);
    assert.deepEqual(
      keys(),
      [first, second, third].map((key) => textOf(key)),
    );
    assert.equal(register.logKeys.at(-1)?.index, 2);
    const skipping = next(stranger, { version: 3 });
    assert.equal(apply(signed(skipping, ...administrators, first, stranger)), 'not-the-log');
  });
});

describe('imports', () => {
  beforeEach(ready);
  const begins = (entry: Signed, time: number = IN_FORCE) => apply(entry, time);

  it('are begun by an importer of the holding’s controller and by nobody else', () => {
    takes(
      byBoth(certificate(officer)),
      byBoth(
        declaration({ holding: 'other', controller: { id: 'bank', name: NAME, contact: CONTACT } }),
      ),
    );
    const document = importBegun();
    for (const entry of [
      signed(document),
      signed(document, officer),
      signed(document, stranger),
      signed(document, importer, officer),
      byBoth(document),
      signed(importBegun({ holding: 'other' }), importer),
      {
        document: canonicalText(document as never),
        signatures: signed(importBegun({ rowLimit: 11 }), importer).signatures,
      },
    ]) {
      assert.equal(begins(entry), 'not-the-importer');
    }
    assert.equal(begins(signed(importBegun({ holding: 'none' }), importer)), 'undeclared-holding');
    assert.equal(begins(signed(document, importer), IN_FORCE - 1), 'undeclared-holding');
    assert.equal(begins(signed(document, importer)), null);
    assert.equal(register.import(index - 1)?.document.rowLimit, 10);
  });

  it('are not begun by a revoked or expired key', () => {
    assert.equal(begins(signed(importBegun(), importer), T + 86_400_000), 'not-the-importer');
    takes(byBoth(revocation(importer, 1)));
    assert.equal(begins(signed(importBegun(), importer)), 'not-the-importer');
  });

  it('one announcement opens one import: entered again, it would open its row limit again', () => {
    const entry = signed(importBegun(), importer);
    assert.equal(begins(entry), null);
    assert.equal(begins(entry), 'replayed');
    // ECDSA signs one document in many ways: the document counts, not its signature.
    assert.equal(begins(signed(JSON.parse(entry.document) as object, importer)), 'replayed');
    assert.equal(apply(signed(importEnded(index - 3))), null);
    assert.equal(begins(entry), 'replayed');
    assert.equal(begins(signed(importBegun(), importer)), null);
  });

  it('end once, unsigned, and only where they were begun', () => {
    assert.equal(begins(signed(importBegun(), importer)), null);
    const begun = index - 1;
    assert.equal(apply(signed(importEnded(begun), importer)), 'unsigned-expected');
    assert.equal(apply(signed(importEnded(begun + 1))), 'unknown-import');
    assert.equal(register.import(begun)?.ended, false);
    takes(signed(importEnded(begun)));
    assert.equal(register.import(begun)?.ended, true);
    assert.equal(apply(signed(importEnded(begun))), 'unknown-import');
  });

  it('refusals are counted unsigned', () => {
    assert.equal(apply(signed(COUNTED, officer)), 'unsigned-expected');
    takes(signed(COUNTED));
  });
});

describe('witnesses and the glass', () => {
  const appoint = (version = 1, changes: object = {}) =>
    byBoth({
      type: 'witnesses',
      version,
      witnesses: ['a', 'b', 'c', 'd'].map((name, at) => ({
        key: formatVerifierKey(cosignerKey(4, `witness.example/${name}`, Buffer.alloc(32, at + 1))),
        url: 'https://witness.example/',
      })),
      quorum: 3,
      faulty: 1,
      breakGlass: { quorum: 2, releases: 10 },
      time: T,
      ...changes,
    });
  const glass = (until: number) =>
    byBoth({ type: 'broken-glass', reason: 'need', until, nonce: '00'.repeat(16), time: T });
  beforeEach(() => takes(signed(genesis())));

  it('are appointed by two administrators, version by version, after the delay', () => {
    const { document, signatures } = appoint();
    assert.equal(apply({ document, signatures: signatures.slice(1) }), 'not-two-administrators');
    assert.equal(apply(appoint(2)), 'version-not-next');
    takes(appoint());
    assert.equal(register.witnessing(IN_FORCE - 1), null);
    assert.equal(register.witnessing(IN_FORCE)?.keys.length, 4);
    assert.equal(register.latestVersion('witnesses', ''), 1);
    takes(appoint(2, { quorum: 4 }));
    assert.equal(register.witnessing(IN_FORCE)?.document.quorum, 4);
  });

  it('the glass breaks at once and for a day at most, and only where the witnesses’ document has one', () => {
    assert.equal(apply(glass(T + 1)), 'no-break-glass');
    takes(appoint());
    // Not in force yet: nothing is asked for that could be broken.
    assert.equal(apply(glass(T + 1)), 'no-break-glass');
    for (const until of [IN_FORCE, IN_FORCE - 1, IN_FORCE + 24 * 3_600_000 + 1]) {
      assert.equal(apply(glass(until), IN_FORCE), 'no-break-glass');
    }
    assert.equal(register.brokenUntil(IN_FORCE), null);
    assert.equal(apply(glass(IN_FORCE + 1000), IN_FORCE), null);
    assert.equal(register.brokenUntil(IN_FORCE + 999), IN_FORCE + 1000);
    assert.equal(register.brokenUntil(IN_FORCE + 1000), null);
    assert.equal(apply(appoint(2, { breakGlass: null }), IN_FORCE), null);
    const later = IN_FORCE + DELAY_SECONDS * 1000;
    assert.equal(apply(glass(later + 1), later), 'no-break-glass');
  });

  it('releases under a broken glass are counted unsigned', () => {
    const counted = { type: 'broken-glass-counted', releases: 3, time: T };
    assert.equal(apply(byBoth(counted)), 'unsigned-expected');
    takes(signed(counted));
  });
});

describe('malformed entries', () => {
  beforeEach(ready);

  it('are inert and never an exception', () => {
    for (const document of [
      '',
      'null',
      '[]',
      '{}',
      '{"type":"__proto__"}',
      '{"type":"request"}',
      '{"type":"agency"}',
      ' {}',
      '\ud800',
      '{"type":"\\ud800"}',
      `{"type":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    ]) {
      assert.equal(apply({ document, signatures: [] }), 'malformed', document.slice(0, 30));
    }
  });

  it('whatever stands in a member of a signed document, it is taken or refused, and check agrees', () => {
    const documents = [
      genesis(),
      agency({ version: 2 }),
      certificate(officer),
      revocation(importer, 1),
      declaration({ version: 2 }),
      grants(1),
      importBegun(),
      importEnded(4),
      COUNTED,
    ];
    // Fractions cannot be written; that they are not read is canonical.test.ts's matter.
    const anything = fc
      .jsonValue({ maxDepth: 2 })
      .map((value) =>
        JSON.parse(JSON.stringify(value), (_, each: unknown) =>
          typeof each === 'number' ? Math.trunc(each % 1e9) + 0 : each,
        ),
      );
    const signers = fc.constantFrom<readonly SigningKey[]>([], administrators, [importer]);
    fc.assert(
      fc.property(
        fc.constantFrom(...documents),
        signers,
        fc.nat(),
        fc.oneof(anything, fc.nat(), fc.constant(officer.public.text)),
        (document, keys, at, value) => {
          const names = Object.keys(document);
          const name = names[at % names.length] as string;
          apply(signed({ ...document, [name]: value as never }, ...keys), IN_FORCE);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('a leaf’s signatures come back as they were signed', () => {
    const entry = byBoth(agency());
    const bytes = encodePublicLeaf({
      document: entry.document,
      signatures: entry.signatures.map(({ key, signature }) => ({
        key,
        signature: Buffer.from(signature, 'base64'),
      })),
    });
    const leaf = parseLeaf(bytes);
    assert.ok(leaf.kind === 'public');
    assert.deepEqual(signedLeaf(leaf), entry);
  });
});

describe('the keeper’s root and generations', () => {
  const ROOT = 'ab'.repeat(32);
  const root = (changes: object = {}) => ({
    type: 'root-rotation',
    root: ROOT,
    provider: 'shares',
    threshold: 2,
    shares: 3,
    reason: 'a custodian left',
    time: T,
    ...changes,
  });
  const generation = (version: number) => ({
    type: 'generation-rotation',
    version,
    reason: 'yearly',
    time: T,
  });

  it('nobody but both administrators changes either, and nobody before the genesis', () => {
    for (const document of [root(), generation(1)]) {
      assert.equal(apply(byBoth(document)), 'no-genesis');
    }
    takes(signed(genesis()));
    const [one, other] = administrators;
    for (const document of [root(), generation(1)]) {
      for (const signers of [[], [one], [one, one], [one, stranger], [one, other, stranger]]) {
        assert.equal(apply(signed(document, ...signers)), 'not-two-administrators');
      }
    }
    assert.equal(register.rootRotation(ROOT), null);
    assert.equal(register.latestVersion('generation-rotation', ''), 0);
  });

  it('a root is named once, and at once; a generation is the next one', () => {
    takes(signed(genesis()), byBoth(root()), byBoth(generation(1)));
    assert.deepEqual(register.rootRotation(ROOT), root());
    assert.equal(register.rootRotation('cd'.repeat(32)), null);
    assert.equal(apply(byBoth(root({ reason: 'again' }))), 'replayed');
    assert.equal(apply(byBoth(generation(1))), 'version-not-next');
    assert.equal(apply(byBoth(generation(3))), 'version-not-next');
    takes(byBoth(generation(2)));
    assert.equal(register.latestVersion('generation-rotation', ''), 2);
  });

  const carriedOut = (document: object) => ({
    type: 'carried-out',
    order: hex(documentHash(canonicalText(document as Json))),
    time: T,
  });
  /** The keeper's key in these trials is the registrar's. */
  const byKeeper = (document: object) => signed(document, registrar);
  const settled = () => register.orders.map((order) => order.settled);

  it('nobody but the keeper says that an order is carried out, and of no other document', () => {
    assert.equal(apply(byKeeper(carriedOut(root()))), 'no-genesis');
    takes(signed(genesis()), byBoth(root()));
    const [one, other] = administrators;
    for (const signers of [
      [],
      [one],
      [one, other],
      [stranger],
      [registrar, one],
      [registrar, registrar],
    ]) {
      assert.equal(apply(signed(carriedOut(root()), ...signers)), 'not-the-keeper');
    }
    for (const document of [genesis(), generation(1), root({ reason: 'other' })]) {
      assert.equal(apply(byKeeper(carriedOut(document))), 'unknown-order');
    }
    assert.deepEqual(settled(), [null]);
    takes(byKeeper(carriedOut(root())));
    assert.deepEqual(settled(), [index - 1]);
    assert.equal(apply(byKeeper(carriedOut(root()))), 'replayed');
  });

  it('it settles those of its kind before it, and no other', () => {
    const later = root({ root: 'cd'.repeat(32) });
    const last = root({ root: 'ef'.repeat(32) });
    takes(signed(genesis()), byBoth(root()), byBoth(generation(1)), byBoth(later), byBoth(last));
    takes(byKeeper(carriedOut(later)));
    const first = index - 1;
    assert.deepEqual(settled(), [first, null, first, null]);
    assert.equal(apply(byKeeper(carriedOut(root()))), 'replayed');
    takes(byKeeper(carriedOut(generation(1))), byKeeper(carriedOut(last)));
    assert.deepEqual(settled(), [first, index - 2, first, index - 1]);
  });
});
