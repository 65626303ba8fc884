import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { cosign, generateCosigningKey } from '@amanat/core/keys';
import type { Policy } from '@amanat/core/log';
import {
  formatNote,
  formatPolicy,
  formatVerifierKey,
  parseNote,
  tilePath,
  tilesBetween,
} from '@amanat/core/log';
import { runHere } from '../cli/_around.ts';
import { FakeKeeper, personalLeaf } from '../log/_fake-keeper.ts';
import { createLogKey } from '../log/key.ts';
import { LogKeys } from '../log/keys.ts';
import { Log } from '../log/log.ts';
import { createSqliteLogStore } from '../log/store-sqlite.ts';
import { openDatabase } from '../storage/sqlite.ts';
import { auditTerms, TestLog } from './_log.ts';
import type { Served } from './_served.ts';
import { serveFolder } from './_served.ts';
import type { AuditReport, AuditTerms } from './audit.ts';
import { auditLog } from './audit.ts';

const NOW = 1_763_884_800_000;

describe('an audit of a log', () => {
  let folder: string;
  let files: string;
  let statePath: string;
  let served: Served;
  let log: TestLog;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'amanat-audit-'));
    files = join(folder, 'files');
    statePath = join(folder, 'state.json');
    log = new TestLog().grow(600);
    log.publish(files);
    served = await serveFolder(files);
  });
  afterEach(async () => {
    await served.close();
    rmSync(folder, { recursive: true });
  });

  const audit = (options: Partial<AuditTerms> = {}): Promise<AuditReport> =>
    auditLog(
      auditTerms({ prefix: served.prefix }, log.key, { statePath, now: () => NOW, ...options }),
    );
  const codes = async (options: Partial<AuditTerms> = {}) =>
    (await audit(options)).findings.map(({ code }) => code);
  const remembered = () => readFileSync(statePath, 'utf8');
  const publish = (note: string) => writeFileSync(join(files, 'checkpoint'), note);

  it('of which another key signed the checkpoint, or that has none, is refused and remembers nothing', async () => {
    const other = new TestLog(log.leaves);
    assert.deepEqual(await codes({ key: other.key }), ['bad-checkpoint']);
    publish(log.checkpoint().replace('\n600\n', '\n601\n'));
    assert.deepEqual(await codes(), ['bad-checkpoint']);
    publish('');
    assert.deepEqual(await codes(), ['bad-checkpoint']);
    rmSync(join(files, 'checkpoint'));
    assert.deepEqual(await codes(), ['no-checkpoint']);
    assert.equal(existsSync(statePath), false);
  });

  it('that has other leaves in as many finds a fork, and keeps both checkpoints', async () => {
    await audit();
    const before = remembered();
    const honest = log.checkpoint();
    log.leaves[300] = Buffer.from('another');
    log.publish(files, { alone: true });
    for (let run = 0; run < 2; run++) {
      const { findings, evidence } = await audit();
      assert.deepEqual(findings, [{ code: 'fork', at: null }]);
      assert.deepEqual(
        evidence.map((path) => readFileSync(path, 'utf8')),
        [honest, log.checkpoint()],
      );
      assert.equal(remembered(), before);
    }
    assert.equal(readdirSync(folder).filter((name) => name.includes('evidence')).length, 2);
    // The two checkpoints are enough: not a tile is asked for.
    rmSync(join(files, 'tile'), { recursive: true });
    served.requests.length = 0;
    assert.deepEqual(await codes(), ['fork']);
    assert.deepEqual(served.requests, ['checkpoint']);
  });

  it('that grew from another history finds a fork, though every file is of the new tree', async () => {
    await audit();
    const before = remembered();
    const honest = log.checkpoint();
    log.leaves[0] = Buffer.from('another');
    log.grow(300).publish(files, { alone: true });
    const { findings, evidence } = await audit();
    assert.deepEqual(findings, [{ code: 'fork', at: null }]);
    assert.deepEqual(
      evidence.map((path) => readFileSync(path, 'utf8')),
      [honest, log.checkpoint()],
    );
    assert.equal(remembered(), before);
    // Whoever comes to it fresh cannot know.
    assert.deepEqual(await codes({ statePath: null }), []);
  });

  it('that has shrunk is refused, and both checkpoints are kept', async () => {
    await audit();
    const before = remembered();
    log.publish(files, { size: 599 });
    const { findings, evidence } = await audit();
    assert.deepEqual(findings, [{ code: 'shrunk', at: null }]);
    assert.equal(evidence.length, 2);
    assert.equal(remembered(), before);
  });

  it('finds the flipped byte and the missing file among what is new, and remembers nothing of it', async () => {
    await audit();
    const before = remembered();
    log.grow(500).publish(files);
    for (const [path, differs] of [
      ['tile/0/002', 'tile-differs'],
      ['tile/0/004.p/76', 'tile-differs'],
      ['tile/1/000.p/4', 'tile-differs'],
      ['tile/entries/003', 'bundle-differs'],
      ['tile/entries/004.p/76', 'bundle-differs'],
    ] as const) {
      const bytes = readFileSync(join(files, path));
      const altered = Buffer.from(bytes);
      altered.writeUInt8(altered.readUInt8(40) ^ 1, 40);
      writeFileSync(join(files, path), altered);
      assert.deepEqual((await audit()).findings, [{ code: differs, at: path }]);
      rmSync(join(files, path));
      assert.deepEqual((await audit()).findings, [{ code: 'hole', at: path }]);
      writeFileSync(join(files, path), bytes);
    }
    assert.equal(remembered(), before);
    assert.deepEqual(await codes(), []);
  });

  it('is refused a server that redirects or sends too much', async () => {
    served.instead = (path, _request, response) => {
      if (path !== 'tile/entries/001') return false;
      response.writeHead(302, { location: served.prefix.href }).end();
      return true;
    };
    assert.deepEqual((await audit()).findings, [{ code: 'bad-response', at: 'tile/entries/001' }]);
    served.instead = (path, _request, response) => {
      if (path !== 'tile/0/001') return false;
      response.end(Buffer.alloc(8_193));
      return true;
    };
    assert.deepEqual((await audit()).findings, [{ code: 'bad-response', at: 'tile/0/001' }]);
    assert.equal(existsSync(statePath), false);
  });

  it('whose memory is damaged, or is of another log, is refused and overwrites nothing', async () => {
    await audit();
    const whole = remembered();
    const state = JSON.parse(whole) as { hashes: string[]; checkpoint: string };
    const otherKey = formatVerifierKey(new TestLog().key);
    for (const damaged of [
      '',
      '[]',
      whole.slice(0, -20),
      whole.replace('amanat-audit/v5', 'amanat-audit/v6'),
      whole.replace('"brokenUntil": 0', '"brokenUntil": -1'),
      whole.replace(/"key": "[^"]*"/, `"key": ${JSON.stringify(otherKey)}`),
      JSON.stringify({ ...state, hashes: state.hashes.slice(1) }),
      JSON.stringify({ ...state, hashes: state.hashes.toReversed() }),
      JSON.stringify({ ...state, checkpoint: log.checkpoint(599) }),
      JSON.stringify({ ...state, checkpoint: state.checkpoint.replace('\n600\n', '\n60\n') }),
    ]) {
      writeFileSync(statePath, damaged);
      assert.deepEqual(await codes(), ['bad-state'], damaged);
      assert.equal(remembered(), damaged);
    }
    assert.deepEqual(served.requests.filter((path) => path === 'checkpoint').length, 1);
  });

  it('without cosignatures finds stale what has not changed for too long', async () => {
    assert.deepEqual(await codes({ maxAgeSeconds: 60 }), []);
    const later = (seconds: number) => ({ maxAgeSeconds: 60, now: () => NOW + seconds * 1000 });
    assert.deepEqual(await codes(later(60)), []);
    assert.deepEqual(await codes(later(61)), ['stale']);
    log.grow(1).publish(files);
    assert.deepEqual(await codes(later(61)), []);
    assert.deepEqual(await codes(later(122)), ['stale']);
  });

  it('under a policy asks for its quorum, and for that quorum’s age', async () => {
    const seconds = NOW / 1000;
    const witnesses = ['a', 'b', 'c'].map((name) =>
      generateCosigningKey('ed25519', `${name}.example`),
    );
    const policy: Policy = {
      logs: [],
      witnesses: witnesses.map(({ public: key }, i) => ({ name: `w${i}`, key, url: null })),
      groups: [{ name: 'two', threshold: 2, members: ['w0', 'w1', 'w2'] }],
      quorum: 'two',
    };
    const { text, signatures } = parseNote(log.checkpoint());
    const cosigned = (ages: readonly (number | null)[]) =>
      formatNote(text, [
        ...signatures,
        ...witnesses.flatMap((key, i) => {
          const age = ages[i] ?? null;
          return age === null ? [] : [cosign(key, text, seconds - age)];
        }),
      ]);
    for (const [ages, expected] of [
      [[], ['missing-cosignatures']],
      [[0], ['missing-cosignatures']],
      [[61, 61], ['stale']],
      // One witness alone does not make it look fresh.
      [[0, 61], ['stale']],
      [[0, 61, 60], []],
      [[null, 60, 60], []],
    ] as const) {
      publish(cosigned(ages));
      assert.deepEqual(await codes({ policy, maxAgeSeconds: 60 }), expected, JSON.stringify(ages));
    }
    const forged = cosign(
      witnesses[2] as (typeof witnesses)[0],
      text.replace('600', '60'),
      seconds,
    );
    publish(formatNote(text, [...parseNote(cosigned([0, 0])).signatures, forged]));
    assert.deepEqual(await codes({ policy }), ['bad-checkpoint']);
    const path = join(folder, 'policy');
    writeFileSync(path, formatPolicy(policy));
    publish(cosigned([0]));
    const key = formatVerifierKey(log.key);
    const argv = ['audit', files, '--key', key, '--policy', path];
    assert.match((await runHere(argv)).stdout, /WRONG missing-cosignatures at checkpoint/);
    publish(cosigned([0, 30]));
    const json = JSON.parse((await runHere([...argv, '--json'])).stdout) as { cosigned: number };
    assert.equal(json.cosigned, NOW - 30_000);
    // A time that no date has says nothing, and is not shown.
    const beyond = (witness: (typeof witnesses)[0]) => cosign(witness, text, 2 ** 53 - 1);
    publish(formatNote(text, [...signatures, ...witnesses.map(beyond)]));
    const ran = await runHere(argv);
    assert.equal(ran.code, 0, ran.stderr);
    assert.doesNotMatch(ran.stdout, /Cosigned:/);
    writeFileSync(path, formatPolicy({ ...policy, logs: [{ key: new TestLog().key, url: null }] }));
    assert.match((await runHere(argv)).stderr, /policy for other logs/);
  });

  it('fetches what is new, and nothing else', async () => {
    let oldSize = 0;
    for (const more of [0, 0, 8, 160, 256, 1, 2_000]) {
      log.grow(more).publish(files);
      const newSize = log.leaves.length;
      served.requests.length = 0;
      const report = await audit();
      assert.deepEqual(report.findings, []);
      assert.equal(report.rememberedSize, oldSize);
      const expected = [...tilesBetween({ oldSize, newSize })].flatMap((tile) =>
        tile.level > 0
          ? [tilePath(tile)]
          : [tilePath(tile), tilePath({ ...tile, level: 'entries' })],
      );
      assert.deepEqual(served.requests.toSorted(), ['checkpoint', ...expected].toSorted());
      assert.deepEqual(report.counts, { personal: 0, public: 0, unknown: newSize });
      oldSize = newSize;
    }
  });

  it('takes the beginning of a full tile where the partial one is gone', async () => {
    log.grow(1_000).publish(files);
    for (const path of ['tile/0/002.p/88', 'tile/entries/002.p/88', 'tile/1/000.p/2']) {
      rmSync(join(files, path));
    }
    publish(log.checkpoint(600));
    // A level above that has grown, but is not full, is no substitute.
    assert.deepEqual((await audit()).findings, [{ code: 'hole', at: 'tile/1/000.p/2' }]);
    log.publish(files, { size: 600 });
    for (const path of ['tile/0/002.p/88', 'tile/entries/002.p/88']) rmSync(join(files, path));
    assert.deepEqual(await codes(), []);
  });

  it('never has more than eight questions under way', async () => {
    log.grow(5_000).publish(files);
    const waiting: (() => void)[] = [];
    let most = 0;
    // Answers come only once nobody has asked for a while.
    const answer = () => {
      most = Math.max(most, waiting.length);
      for (const each of waiting.splice(0)) each();
    };
    let timer = setTimeout(answer, 0);
    served.instead = (path, _request, response) => {
      waiting.push(() => response.end(readFileSync(join(files, path))));
      clearTimeout(timer);
      timer = setTimeout(answer, 50);
      return true;
    };
    assert.deepEqual(await codes(), []);
    assert.equal(most, 8);
  });

  it('of Amanat’s own log, as its publisher writes it, counts its leaves as it grows', async (t) => {
    const database = openDatabase(join(folder, 'store.db'));
    const key = createLogKey(folder, 'log.test.example');
    const publicDirectory = join(folder, 'public');
    const live = new Log({
      store: createSqliteLogStore(database),
      keeper: new FakeKeeper(),
      keys: new LogKeys(folder, 'log.test.example'),
      publicDirectory,
      publishSeconds: 600,
      now: () => NOW,
    });
    t.after(async () => {
      await live.close();
      database.close();
    });
    await live.ready();
    const server = await serveFolder(publicDirectory);
    t.after(() => server.close());
    const place = { prefix: server.prefix };
    let size = 0;
    for (const more of [3, 300, 1, 400]) {
      const first = size;
      await live.append(
        Array.from({ length: more }, (_, i) => {
          const seed = first + i;
          const subject = seed.toString(16).padStart(32, '0');
          const entry = {
            lookUp: seed,
            subject,
            number: 1,
            body: Buffer.from('x'),
            evidence: null,
          };
          return { bytes: personalLeaf(seed), entry };
        }),
      );
      await live.flush();
      size += more;
      const report = await audit({ place, key: key.note });
      assert.deepEqual(report.findings, []);
      assert.deepEqual(report.counts, { personal: size, public: 0, unknown: 0 });
    }
    const here = await audit({ place: { directory: publicDirectory }, key: key.note });
    assert.deepEqual([here.findings, here.rememberedSize], [[], size]);
  });

  it('by the command exits with 1 for what is wrong and says so, and with 0 otherwise', async () => {
    const key = formatVerifierKey(log.key);
    const argv = ['audit', served.prefix.href, '--key', key, '--state', statePath];
    const first = await runHere([...argv, '--json']);
    assert.equal(first.code, 0);
    const json = JSON.parse(first.stdout) as { verified: boolean; size: number };
    assert.deepEqual([json.verified, json.size], [true, 600]);
    log.publish(files, { size: 300 });
    const second = await runHere(argv);
    assert.equal(second.code, 1);
    assert.match(second.stdout, /WRONG shrunk/);
    assert.match(second.stdout, /NOT VERIFIED\.$/m);
    const keys = join(folder, 'keys.json');
    writeFileSync(keys, JSON.stringify({ logKey: key, keeperKey: 'x' }));
    assert.equal((await runHere(['audit', files, '--keys', keys])).code, 0);
    for (const wrong of [
      ['audit', files],
      ['audit', files, '--key', key, '--keys', keys],
      ['audit', 'ftp://log.example/', '--key', key],
      ['audit', files, '--key', 'not a key'],
      ['audit', files, '--key', key, '--max-age', 'x'],
      ['audit', files, '--key', key, '--max-age', '60'],
    ]) {
      assert.equal((await runHere(wrong)).code, 2, wrong.join(' '));
    }
    for (const failing of [
      ['audit', join(folder, 'none'), '--key', key],
      ['audit', join(folder, 'x'.repeat(300)), '--key', key],
      ['audit', join(files, 'checkpoint', 'under-a-file'), '--key', key],
    ]) {
      const ran = await runHere(failing);
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, /the log/);
    }
  });
});
