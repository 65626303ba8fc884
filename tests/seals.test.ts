import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromBase64, hex } from '@amanat/core/bytes';
import type { Seal } from '@amanat/core/grants';
import { documentHash, writeDocument } from '@amanat/core/grants';
import { openOnce, secretKey } from '@amanat/core/keys';
import { parseVerifierKey } from '@amanat/core/log';
import type { Verification } from '@amanat/core/verify';
import { askForView, verifyHistory } from '@amanat/core/verify';
import { VIEW_ANSWER } from '@amanat/core/view';
import { auditLog } from '../packages/server/audit/audit.ts';
import { folderFiles, sourceOf, tilesOf } from '../packages/server/audit/source.ts';
import { readRequestBody } from '../packages/server/disclosure/body.ts';
import type { RequestAnswer } from '../packages/server/disclosure/disclosure.ts';
import { amanat } from './_cli.ts';
import { cnicOf, Instance, LEGAL_BASIS, simsCsv } from './_instance.ts';
import { Served, until } from './_served.ts';

const DAY = 86_400_000;
/** An audit ahead of the keeper's clock: for the keeper the month of the last sealing or opening is not over. */
const UNCOUNTED = [{ code: 'uncounted-seals', at: null }];
const SEALED = cnicOf(1);
const OPEN = cnicOf(2);

describe('a look-up that the law lets be withheld', { concurrency: false }, () => {
  let instance: Instance;
  const codes = new Map<string, string>();
  let sealedAt = 0;
  let before1: Verification;

  before(async () => {
    instance = await Instance.create();
    await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([1, 2]));
    for (const cnic of [SEALED, OPEN]) {
      const { code, signed } = instance.code(cnic);
      codes.set(cnic, code);
      const placed = await instance.gateway.citizen.handOutCode(signed);
      assert.equal(placed.outcome, 'entered');
    }
  });

  after(async () => {
    await instance?.[Symbol.asyncDispose]();
  });

  function dateIn(days: number): string {
    return new Date(Date.now() + instance.clockMs + days * DAY).toISOString().slice(0, 10);
  }

  function request(seal: Seal | null, approver: 'approver' | null): Promise<RequestAnswer> {
    const signed = instance.request('officer', [SEALED], { seal });
    const approval = approver === null ? null : instance.approve(approver, signed);
    return instance.gateway.disclosure.request(readRequestBody({ ...signed, approval }));
  }

  /** What her own browser makes of the gateway's answer, and that answer. */
  async function history(cnic: string) {
    const { citizen, log } = instance.gateway;
    const { genesis } = log.register;
    assert.ok(genesis !== null);
    const now = Date.now() + instance.clockMs;
    const session = await askForView(codes.get(cnic) ?? '', genesis.keeperSealingKey, now);
    const { enc, ciphertext } = session;
    const answer = await citizen.history({ enc, ciphertext }, 'journey');
    assert.ok(answer.outcome === 'shown', JSON.stringify(answer));
    const { logKey, keeperKey } = genesis;
    const keys = { logKey, keeperKey, witnesses: null };
    const source = sourceOf(folderFiles(instance.paths.public));
    const tiles = tilesOf(source, log.size);
    const verification = await verifyHistory({ answer, session, keys, tiles, now });
    const failed = verification.checks.filter(({ state }) => state !== 'ok');
    assert.deepEqual(failed, []);
    return { answer, verification };
  }

  async function audit(now: number) {
    const { genesis } = instance.gateway.log.register;
    await instance.gateway.log.flush();
    return auditLog({
      place: { directory: instance.paths.public },
      key: parseVerifierKey(genesis?.logKey ?? ''),
      statePath: null,
      policy: null,
      maxAgeSeconds: null,
      processes: 1,
      now: () => now,
      onLeaves: () => {},
      signal: AbortSignal.timeout(60_000),
    });
  }

  test('is refused while no rules are in force, and to one officer alone', async () => {
    const seal = { ground: LEGAL_BASIS, until: dateIn(30) };
    const none = await request(seal, 'approver');
    assert.deepEqual(none, {
      outcome: 'refused',
      code: 'seal-undeclared-agency',
      rule: null,
      holding: null,
    });
    assert.equal((await history(SEALED)).answer.withheld.possible, false);
    await instance.enter<'seal-rules'>({
      type: 'seal-rules',
      version: 1,
      jurisdiction: 'Example land',
      grounds: [
        { ground: LEGAL_BASIS, title: { en: 'a', ur: 'a' }, daysMax: 90, source: 'an act' },
      ],
      agencies: [{ agency: 'demo-police', openMax: 5 }],
      time: Date.now(),
    });
    const alone = await request(seal, null);
    assert.ok(alone.outcome === 'second-person');
    assert.deepEqual(alone.reasons, ['sealed']);
    const long = await request({ ...seal, until: dateIn(91) }, 'approver');
    assert.ok(long.outcome === 'refused' && long.code === 'seal-too-long');
  });

  test('is answered like any other, and her page is the page of one who has none', async () => {
    const answer = await request({ ground: LEGAL_BASIS, until: dateIn(30) }, 'approver');
    assert.ok(answer.outcome === 'disclosed', JSON.stringify(answer));
    const [result] = answer.results;
    assert.ok(
      result && result.records.length > 0 && result.records.every((each) => 'groups' in each),
    );
    sealedAt = result.index;
    // Each has looked as often as the other.
    await history(OPEN);
    const [hers, others] = [await history(SEALED), await history(OPEN)];
    before1 = hers.verification;
    const shape = ({ answer: { view, subjects, withheld } }: typeof hers) => ({
      view: view.length,
      withheld,
      subjects: subjects.map(({ entries, sealed, held }) => ({
        entries: entries.map(({ number, body }) => [number, body.length]),
        sealed,
        held: held.length,
      })),
    });
    assert.deepEqual(shape(hers), shape(others));
    assert.deepEqual(
      hers.verification.chains.map(({ controller, number }) => [controller, number]),
      others.verification.chains.map(({ controller, number }) => [controller, number]),
    );
    assert.deepEqual(instance.warnings, []);
  });

  test('is counted as overdue by anyone, from the public files alone, once its month is two days over', async () => {
    const [year = 0, month = 0] = dateIn(30).split('-').map(Number);
    const over = Date.UTC(year, month, 1) + 2 * DAY;
    const timely = await audit(over - 1);
    // Sealed on the first of a month of 31 days, it is both sealed and due in one.
    const isOneMonth = dateIn(0).slice(0, 7) === dateIn(30).slice(0, 7);
    assert.deepEqual([timely.findings, timely.seals?.open], [isOneMonth ? [] : UNCOUNTED, 1]);
    const late = await audit(over);
    assert.deepEqual(late.findings, [{ code: 'overdue-seals', at: null }, ...UNCOUNTED]);
    assert.deepEqual(late.seals?.overdue, 1);
  });

  test('stays sealed for longer by two people, and opens by itself when a keeper of that time is asked', async () => {
    const { seals } = instance.gateway;
    const document = writeDocument<'seal-extension'>({
      type: 'seal-extension',
      seal: sealedAt,
      ground: LEGAL_BASIS,
      until: dateIn(40),
      nonce: hex(randomBytes(16)),
      time: Date.now(),
    });
    const signed = instance.sign(document, 'officer');
    const alone = await seals.extend({ signed, approval: null });
    assert.ok(alone.outcome === 'second-person');
    assert.equal(alone.request, hex(documentHash(document)));
    const approval = instance.approve('approver', signed);
    assert.equal((await seals.extend({ signed, approval })).outcome, 'extended');

    // The keeper's machine is 45 days on.
    await instance.stopKeeper();
    instance.clockMs = 45 * DAY;
    await instance.startKeeper(instance.clockMs);
    await instance.gateway.log.ready();
    const refused = await request(null, 'approver');
    assert.ok(refused.outcome === 'refused' && refused.code === 'seal-overdue');
    await seals.look();

    const { verification } = await history(SEALED);
    const [chain] = verification.chains.filter(({ controller }) => controller === 'demo-telecom');
    const openings = chain?.entries.filter(({ statement }) => statement?.kind === 'opened') ?? [];
    assert.equal(openings.length, 1);
    const [look, extension, ...more] = openings[0]?.withheld ?? [];
    assert.deepEqual(more, []);
    assert.ok(look?.statement && extension?.statement);
    assert.deepEqual(
      [look.index, look.sound, look.delivered, look.statement.kind, look.statement.agency],
      [sealedAt, true, true, 'disclosure', 'demo-police'],
    );
    assert.deepEqual(
      [extension.sound, extension.statement.kind, extension.statement.seal?.ground],
      [true, 'seal-extended', LEGAL_BASIS],
    );
    // What she saw before is still there, under the same numbers.
    const [earlier] = before1.chains.filter(({ controller }) => controller === 'demo-telecom');
    for (const [at, entry] of (earlier?.entries ?? []).entries()) {
      assert.equal(chain?.entries[at]?.leafHash, entry.leafHash);
    }
    assert.equal((await request(null, 'approver')).outcome, 'disclosed');
  });

  test('is counted in public by agency and month, in the keeper’s words', async () => {
    await instance.gateway.seals.look();
    const { counts, rules } = instance.gateway.seals.told();
    const month = new Date().toISOString().slice(0, 7);
    assert.deepEqual(
      counts.filter((each) => each.month === month),
      [{ agency: 'demo-police', month, sealed: 1, extended: 1, opened: 0, refused: 2, awaited: 2 }],
    );
    assert.equal(rules?.version, 1);
    const found = await audit(Date.now() + 400 * DAY);
    assert.deepEqual([found.findings, found.seals?.open], [UNCOUNTED, 0]);
  });

  test('is shown to nobody else: her answer opens with her own session alone', async () => {
    const { sealed, exporter } = await instance.viewAsk(
      codes.get(OPEN) ?? '',
      Date.now() + instance.clockMs,
    );
    const answer = await instance.gateway.citizen.history(sealed, 'journey');
    assert.ok(answer.outcome === 'shown');
    const key = secretKey(exporter(VIEW_ANSWER));
    const view = JSON.parse(
      Buffer.from(openOnce(key, fromBase64(answer.view), new Uint8Array(0))).toString(),
    );
    assert.deepEqual(view.subjects[0].opened, []);
    assert.ok(answer.subjects.every((each) => each.sealed.length === 0));
  });
});

/** By real processes whose clocks are months ahead: the gateway, its keeper, and whoever audits. */
test('a seal whose month ends opens by itself; it is counted in public, and an audit finds what is not', async () => {
  await using instance = await Instance.create();
  const rules = {
    type: 'seal-rules' as const,
    version: 1,
    jurisdiction: 'Example land',
    grounds: [{ ground: LEGAL_BASIS, title: { en: 'a', ur: 'a' }, daysMax: 90, source: 'an act' }],
    agencies: [{ agency: 'demo-police', openMax: 5 }],
    time: Date.now(),
  };
  await instance.enter<'seal-rules'>(rules);
  const { logKey = '' } = instance.gateway.log.register.genesis ?? {};
  await instance.stopGateway();
  await instance.stopKeeper();
  const config = join(instance.dir, 'config.json');
  const settings = JSON.parse(readFileSync(config, 'utf8')) as object;
  writeFileSync(config, JSON.stringify({ ...settings, keeper: 'external' }));

  /** What a process so many days ahead loads first: its minutes pass in no time. */
  const ahead = (days: number) => {
    const clock = `const now = Date.now; Date.now = () => now() + ${days * DAY};`;
    const hurry =
      'const every = setInterval; globalThis.setInterval = (f, ms) => every(f, Math.min(ms, 250));';
    const url = `data:text/javascript,${encodeURIComponent(clock + hurry)}`;
    return { ...process.env, NODE_OPTIONS: `--import=${url}` };
  };
  const serve = async (days: number): Promise<Served> => {
    await instance.startKeeper(days * DAY);
    const served = new Served(instance, ahead(days));
    await served.start();
    return served;
  };
  const audit = async (days: number) => {
    const args = ['audit', instance.paths.public, '--key', logKey, '--json'];
    const { code, stdout } = await amanat(args, { cwd: instance.dir, env: ahead(days) });
    const { seals, findings } = JSON.parse(stdout);
    assert.equal(code, findings.length === 0 ? 0 : 1);
    return [findings.map((each: { code: string }) => each.code), seals];
  };
  const month = (days: number) => new Date(Date.now() + days * DAY).toISOString().slice(0, 7);

  const date = new Date(Date.now() + 10 * DAY).toISOString().slice(0, 10);
  {
    await using served = await serve(0);
    const seal = { ground: LEGAL_BASIS, until: date };
    const signed = instance.request('officer', [cnicOf(1)], { seal });
    const approval = instance.approve('approver', signed);
    const answer = await served.post('/v1/requests', { ...signed, approval });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.results.length, 1, answer.text);
  }
  await instance.stopKeeper();
  assert.deepEqual(await audit(0), [[], { open: 1, overdue: 0, uncounted: [] }]);
  // Nobody has served it for two months.
  const found = ['overdue-seals', 'uncounted-seals'];
  assert.deepEqual(await audit(60), [found, { open: 1, overdue: 1, uncounted: [month(0)] }]);
  {
    await using served = await serve(60);
    const counts = await until(async () => {
      const { json } = await served.get('/v1/seals');
      return json.counts.length > 0 ? json.counts : null;
    });
    const agency = 'demo-police';
    const none = { extended: 0, opened: 0, refused: 0, awaited: 0 };
    assert.deepEqual(counts, [{ agency, month: month(0), sealed: 1, ...none }]);
    await until(async () => ((await audit(60))[0].length === 0 ? true : null));
    assert.deepEqual(await audit(60), [[], { open: 0, overdue: 0, uncounted: [] }]);
  }
  await instance.stopKeeper();
  // A month on, that of the opening is not counted by anybody.
  assert.deepEqual(await audit(100), [
    ['uncounted-seals'],
    { open: 0, overdue: 0, uncounted: [month(60)] },
  ]);
});
