import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { DocumentOf } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { CosigningKey } from '@amanat/core/keys';
import { cosign, generateCosigningKey, generateSigningKey } from '@amanat/core/keys';
import type { Policy } from '@amanat/core/log';
import { encodePersonalLeaf, formatNote, formatVerifierKey, parseNote } from '@amanat/core/log';
import { runHere } from '../cli/_around.ts';
import { auditTerms, TestLog } from './_log.ts';
import type { AuditTerms } from './audit.ts';
import { auditLog } from './audit.ts';

const HOUR_MS = 3_600_000;
const DAY = Date.UTC(2026, 10, 23);
const NOW = DAY + 72 * HOUR_MS;

const administrators = [generateSigningKey('ed25519'), generateSigningKey('ed25519')];
const keysOf = (name: string) =>
  [1, 2, 3, 4].map((at) => generateCosigningKey('ed25519', `${name}.example/${at}`));
const witnesses = keysOf('witness');
const others = keysOf('other');

describe('an audit of a log whose public entries appoint witnesses', () => {
  let folder: string;
  let files: string;
  let statePath: string;
  let log: TestLog;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'amanat-appointed-'));
    files = join(folder, 'files');
    statePath = join(folder, 'state.json');
    log = new TestLog();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const begin = ({ activationHours = 0, origin = log.key.name } = {}) => {
    const activationSeconds = activationHours * 3_600;
    log.begin(generateSigningKey('ed25519'), administrators, { origin, activationSeconds });
  };
  const enter = (
    document: DocumentOf<'witnesses' | 'broken-glass'>,
    signers: typeof administrators = administrators,
  ) => log.enter(writeDocument(document), ...signers);
  const appoint = (version: number, keys: readonly CosigningKey[], signers = administrators) =>
    enter(
      {
        type: 'witnesses',
        version,
        witnesses: keys.map((each) => ({
          key: formatVerifierKey(each.public),
          url: 'https://witness.example/',
        })),
        quorum: 3,
        faulty: 1,
        breakGlass: { quorum: 1, releases: 10 },
        time: DAY,
      },
      signers,
    );
  const breakGlass = (until: number) =>
    enter({ type: 'broken-glass', reason: 'need', until, nonce: '00'.repeat(16), time: DAY });
  /** Adds leaves about people, one of each of these hours after the day's beginning. */
  const addHours = (...hours: readonly number[]) => {
    for (const each of hours) {
      const hour = `${new Date(DAY + each * HOUR_MS).toISOString().slice(0, 13)}Z`;
      log.leaves.push(
        encodePersonalLeaf({
          kind: 'person',
          hour,
          commitment: Buffer.alloc(32, log.leaves.length),
        }),
      );
    }
  };
  const publish = (cosigners: readonly CosigningKey[]) => {
    log.publish(files);
    const { text, signatures } = parseNote(log.checkpoint());
    const cosigned = cosigners.map((each) => cosign(each, text, 1_800_000_000));
    writeFileSync(join(files, 'checkpoint'), formatNote(text, [...signatures, ...cosigned]));
  };
  const audit = (options: Partial<AuditTerms> = {}) =>
    auditLog(auditTerms({ directory: files }, log.key, { now: () => NOW, ...options }));
  const codes = async (options: Partial<AuditTerms> = {}) =>
    (await audit(options)).findings.map(({ code }) => code);
  const MISSING = ['missing-cosignatures'];

  it('finds the checkpoint that was stripped, with and without memory, whole and grown', async () => {
    begin();
    appoint(1, witnesses);
    addHours(9, 11, 13);
    const [east, west, north, south] = witnesses as [
      CosigningKey,
      CosigningKey,
      CosigningKey,
      CosigningKey,
    ];
    const impostor = generateCosigningKey('ed25519', 'witness.example/4');
    for (const cosigners of [
      [],
      [east, west],
      [east, west, east],
      [east, west, impostor],
      others,
    ]) {
      publish(cosigners);
      assert.deepEqual(await codes(), MISSING);
      assert.deepEqual(await codes({ statePath }), MISSING);
    }
    publish([east, west, north]);
    assert.deepEqual(await codes(), []);
    // The tree is the same, and remembered.
    const report = await audit({ statePath });
    assert.deepEqual([report.findings, report.rememberedSize], [[], log.leaves.length]);
    addHours(14);
    publish([]);
    const { findings } = await audit({ statePath });
    assert.deepEqual(findings, [{ code: 'missing-cosignatures', at: 'checkpoint' }]);
    assert.deepEqual(await codes({ statePath }), MISSING);
    publish([west, north, south]);
    assert.deepEqual(await codes({ statePath }), []);
    assert.deepEqual(await codes(), []);
  });

  it('by the command exits with 1 and says so', async () => {
    begin();
    appoint(1, witnesses);
    addHours(9, 11, 13);
    publish([]);
    const argv = ['audit', files, '--key', formatVerifierKey(log.key)];
    const ran = await runHere(argv);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /WRONG missing-cosignatures at checkpoint/);
    publish(witnesses);
    assert.equal((await runHere(argv)).code, 0);
  });

  it('asks for nobody where none are appointed, or by one administrator, or in no log of its own', async () => {
    begin();
    appoint(1, witnesses, administrators.slice(0, 1));
    appoint(2, witnesses);
    addHours(9, 11, 13, 20);
    publish([]);
    assert.deepEqual(await codes(), []);
    assert.deepEqual(await codes({ statePath }), []);
    rmSync(statePath);
    log.leaves = [];
    begin({ origin: 'another.example/log' });
    appoint(1, witnesses);
    addHours(9, 11, 13, 20);
    publish([]);
    assert.deepEqual(await codes(), []);
    log.leaves.shift();
    log.publish(files, { alone: true });
    assert.deepEqual(await codes(), []);
    log.leaves = [];
    log.grow(600).publish(files, { alone: true });
    assert.deepEqual(await codes({ statePath }), []);
    log.grow(10);
    log.publish(files);
    assert.deepEqual(await codes({ statePath }), []);
  });

  it('asks for nobody before they surely are in force, whether it saw them come or not', async () => {
    begin({ activationHours: 24 });
    addHours(8);
    appoint(1, witnesses);
    publish([]);
    assert.deepEqual(await codes({ statePath }), []);
    // Taken by 13 o'clock at the latest: whoever stands at 8 o'clock may have been held up with it.
    for (const hour of [9, 10, 11, 14, 34, 36]) {
      addHours(hour);
      publish([]);
      assert.deepEqual([await codes(), await codes({ statePath })], [[], []], String(hour));
    }
    addHours(37);
    publish([]);
    assert.deepEqual([await codes(), await codes({ statePath })], [MISSING, MISSING]);
    publish(witnesses);
    assert.deepEqual([await codes(), await codes({ statePath })], [[], []]);
  });

  it('takes no hour that is still to come for one that has been', async () => {
    begin();
    appoint(1, witnesses);
    addHours(9, 11, 13);
    publish([]);
    assert.deepEqual(await codes({ now: () => DAY + 11.5 * HOUR_MS }), []);
    assert.deepEqual(await codes({ now: () => DAY + 13.5 * HOUR_MS }), MISSING);
  });

  it('lets those who follow them do from when they may be in force, and those before no longer than that', async () => {
    begin({ activationHours: 12 });
    appoint(1, witnesses);
    addHours(1, 3, 20);
    appoint(2, others);
    const both = async (hour: number) => {
      const now = () => DAY + hour * HOUR_MS;
      const found: (readonly string[])[] = [];
      for (const cosigners of [witnesses, others, []]) {
        publish(cosigners);
        const here = await codes({ now });
        assert.deepEqual(await codes({ now, statePath }), here);
        found.push(here);
      }
      return found;
    };
    assert.deepEqual(await both(22), [[], MISSING, MISSING]);
    assert.deepEqual(await both(33), [[], [], MISSING]);
    addHours(21, 23, 36);
    assert.deepEqual(await both(37), [[], [], MISSING]);
    addHours(37);
    assert.deepEqual(await both(38), [MISSING, [], MISSING]);
    assert.equal(readFileSync(statePath, 'utf8').includes('witness.example/1'), false);
  });

  it('lets fewer do while the glass may be broken, and no longer', async () => {
    begin();
    appoint(1, witnesses);
    addHours(9, 11, 13);
    publish(witnesses);
    assert.deepEqual(await codes({ statePath }), []);
    breakGlass(DAY + 14.5 * HOUR_MS);
    addHours(14);
    publish([]);
    assert.deepEqual([await codes(), await codes({ statePath })], [MISSING, MISSING]);
    publish(witnesses.slice(0, 1));
    assert.deepEqual([await codes(), await codes({ statePath })], [[], []]);
    addHours(15);
    publish(witnesses.slice(0, 1));
    assert.deepEqual([await codes(), await codes({ statePath })], [MISSING, MISSING]);
    // For longer than a day nobody can.
    breakGlass(NOW + 26 * HOUR_MS);
    publish(witnesses.slice(0, 1));
    assert.deepEqual([await codes(), await codes({ statePath })], [MISSING, MISSING]);
  });

  it('notices them wherever they stand, by several processes too', async () => {
    begin();
    addHours(...Array.from({ length: 66_000 }, () => 1));
    appoint(1, witnesses);
    addHours(...Array.from({ length: 600 }, (_, i) => 2 + Math.floor(i / 100)));
    publish([]);
    assert.deepEqual(await codes(), MISSING);
    assert.deepEqual(await codes({ processes: 2 }), MISSING);
    publish(witnesses);
    assert.deepEqual(await codes({ processes: 2 }), []);
  });

  it('under a policy asks for whom that names, and for nobody else', async () => {
    begin();
    appoint(1, witnesses);
    addHours(9, 11, 13);
    const [own] = others as [CosigningKey];
    const policy: Policy = {
      logs: [],
      witnesses: [{ name: 'own', key: own.public, url: null }],
      groups: [],
      quorum: 'own',
    };
    publish([own]);
    assert.deepEqual(await codes({ policy, statePath }), []);
    assert.deepEqual(await codes({ statePath }), MISSING);
    publish(witnesses);
    assert.deepEqual(await codes({ policy, statePath }), MISSING);
  });

  for (const version of ['v1', 'v2'] as const)
    it(`reads all anew for a memory from before it was remembered whom they appoint, ${version}`, async () => {
      begin();
      appoint(1, witnesses);
      addHours(9, 11, 13);
      publish(witnesses);
      await audit({ statePath });
      const { appointed: _, seals: _seals, ...old } = JSON.parse(readFileSync(statePath, 'utf8'));
      const { logKeys: _keys, ...less } = _;
      const of = { v1: {}, v2: { appointed: less } };
      const earlier = JSON.stringify({ ...old, ...of[version], format: `amanat-audit/${version}` });
      const size = log.leaves.length;
      for (const more of [[], [14], Array.from({ length: 300 }, () => 15)]) {
        addHours(...more);
        writeFileSync(statePath, earlier);
        publish([]);
        const report = await audit({ statePath });
        assert.deepEqual(
          report.findings.map(({ code }) => code),
          MISSING,
        );
        assert.equal(report.rememberedSize, size);
        assert.deepEqual(report.counts, { personal: log.leaves.length - 2, public: 2, unknown: 0 });
        assert.deepEqual(await codes({ statePath }), MISSING);
      }
      // It still is a memory: another history is a fork.
      writeFileSync(statePath, earlier);
      log.leaves[2] = log.leaves[3] as Uint8Array;
      log.publish(files, { alone: true });
      const forked = await audit({ statePath });
      assert.deepEqual(forked.findings, [{ code: 'fork', at: null }]);
      assert.equal(forked.evidence.length, 2);
      assert.equal(readFileSync(statePath, 'utf8'), earlier);
    });
});
