import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { verifyNoteSignature } from '@amanat/core/keys';
import { openCosignatures } from '@amanat/core/log';
import { formatAccessCode } from '@amanat/core/verify';
import { destination, pino } from 'pino';
import { Api } from '../cli/client.ts';
import { drawCode } from '../cli/codes.ts';
import type { Call } from '../cli/command.ts';
import { verifyInstance } from '../cli/commands/verify.ts';
import { createInstance } from '../cli/create-instance.ts';
import { writePrivate } from '../cli/files.ts';
import type { ImportSummary } from '../cli/import-files.ts';
import { importFiles, listFiles } from '../cli/import-files.ts';
import { DEFAULT_PORT } from '../config/config.ts';
import { instancePaths } from '../config/paths.ts';
import type { Gateway } from '../gateway.ts';
import { startGateway } from '../gateway.ts';
import type { ShippedHolding } from '../holdings/holdings.ts';
import { groupNames } from '../holdings/holdings.ts';
import { generateDisclosurePlan, QUIET_INDEX } from './generate/disclosure-plan.ts';
import type { People } from './generate/people.ts';
import { generatePeople, PROTAGONIST_INDEX } from './generate/people.ts';
import type { InputFile } from './input-files.ts';
import { CARDS_MAX, writeInputFiles } from './input-files.ts';
import type { LookUpCounts } from './look-ups.ts';
import { makeLookUps, makeSealedLookUp, makeTwoPersonLookUps, noLookUps } from './look-ups.ts';
import { PAST_MS, runInPast } from './past.ts';
import { ACCESS, MAPPINGS } from './scenario.ts';
import type { DemoSigners } from './set-up.ts';
import {
  appointWitnesses,
  declareAll,
  drawSigners,
  makeWitnesses,
  readHoldings,
} from './set-up.ts';

const ORIGIN = 'amanat.local/demo';
const LOOK_UPS_MAX = 300;
/** How often, and how often at most, it is looked whether what was withheld is opened. */
const LOOK_MS = 20;
const LOOKS_MAX = 1_000;
const ABOUT_WITNESSES =
  'Its four witnesses run in one process of this machine: they show how it goes, and guard against nobody.';

/** What the demonstration is given with. */
export interface DemoTerms {
  readonly dir: string;
  readonly people: number;
  readonly seed: string;
  /** The port of the pages; 0 takes any. */
  readonly port: number;
}

/** What is needed of whoever runs it. */
export type DemoCall = Pick<Call, 'now' | 'progress' | 'say' | 'signal'>;

/** What the demonstration did. */
export interface DemoResult {
  /** What stands on every page of a demonstration. */
  readonly banner: string;
  readonly people: number;
  readonly imports: readonly (ImportSummary & { readonly rowsPerSecond: number })[];
  readonly lookUps: LookUpCounts;
  /** The access codes, as they are handed out: of the woman whose page is shown, and of one nobody looked up. */
  readonly codes: { readonly protagonist: string; readonly quiet: string };
}

/** A demonstration that serves. */
export interface RunningDemo extends AsyncDisposable {
  readonly url: string;
  readonly result: DemoResult;
}

/**
 * Gives the demonstration: a new instance, files of synthetic people, their import, agencies and officers, a look-up that
 * was withheld and is open by now, some hundreds of look-ups over the API. It then serves until it is disposed of. What it does, it does as a user would, with the code
 * that the commands have.
 */
export async function startDemo(terms: DemoTerms, call: DemoCall): Promise<RunningDemo> {
  const { dir } = terms;
  const { now, signal } = call;
  const begins = now() - PAST_MS;
  const people = generatePeople(
    terms.seed,
    terms.people,
    new Date(begins).toISOString().slice(0, 10),
  );
  const logger = pino({ level: 'error' }, destination({ fd: 2, sync: true }));
  call.say(`1/5 A new instance in ${dir}, and everybody’s keys.`);
  const { signers, witnesses } = await makeInstance(terms, begins);
  call.say(`2/5 Files of ${people.count} synthetic people.`);
  signal.throwIfAborted();
  const files = await writeInputFiles(join(dir, 'input'), people, call);

  call.say('3/5 Imports of three controllers, some weeks ago, and a look-up that is withheld.');
  const imports: DemoResult['imports'][number][] = [];
  const lookUps = noLookUps();
  await runInPast({ dir, now, logger }, async (api, past) => {
    const then = { ...call, now: past };
    await declareAll(api, signers, past);
    for (const file of files) imports.push(await importOne({ api, signers, file }, then));
    await makeSealedLookUp({ api, signers, people, now: past }, lookUps);
  });

  call.say('4/5 Today: it opens; look-ups by three agencies, refusals among them.');
  await using started = new AsyncDisposableStack();
  const gateway: Gateway = started.use(await startGateway({ dir, port: terms.port, logger }));
  const api = started.use(new Api({ socketPath: gateway.socketPath }));
  const { banner } = await api.get<{ readonly banner: string }>('/v1/instance');
  call.say(banner);
  call.say(ABOUT_WITNESSES);
  await appointWitnesses(api, { signers, witnesses }, now);
  await waitForOpening(api, signal);
  await lookUp({ api, signers, people, seed: terms.seed }, lookUps, call);

  call.say('5/5 Access codes.');
  const codes = {
    protagonist: await handOutCode(api, signers, people, { index: PROTAGONIST_INDEX, now: now() }),
    quiet: await handOutCode(api, signers, people, { index: QUIET_INDEX, now: now() }),
  };
  keepSequences(signers);
  const running = started.move();
  return {
    url: gateway.url ?? '',
    result: { banner, people: people.count, imports, lookUps, codes },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Verifies a demonstration's log with its witnesses' cosignatures, and its store, whether it serves or not. */
export async function verifyDemo(dir: string, call: DemoCall) {
  const { verified, log } = await verifyInstance({ ...call, dir }, { pinned: null, processes: 1 });
  const witnessing = log.register.witnessing(call.now());
  if (witnessing === null) throw new Error('a demonstration has witnesses');
  const note = readFileSync(join(instancePaths(dir).public, 'checkpoint'), 'utf8');
  const cosignatures = openCosignatures(note, witnessing.keys, verifyNoteSignature).length;
  const { quorum, witnesses } = witnessing.document;
  return {
    verified: verified && cosignatures >= quorum,
    logSize: log.size,
    cosignatures,
    quorum,
    witnesses: witnesses.length,
  };
}

async function makeInstance({ dir, port }: DemoTerms, now: number) {
  const { signers, keep } = drawSigners(join(dir, 'people'));
  const [first, second] = signers.administrators;
  const { logKey } = await createInstance(
    {
      dir,
      mode: 'demo',
      origin: ORIGIN,
      administrators: [first.public.text, second.public.text],
      registrar: signers.registrar.public.text,
      activationSeconds: 0,
      // The settings name a port, even where any is taken.
      port: port === 0 ? DEFAULT_PORT : port,
      publishSeconds: 0,
    },
    { now, random: randomBytes },
  );
  keep();
  return { signers, witnesses: await makeWitnesses(instancePaths(dir).witnesses, logKey) };
}

async function importOne(
  { api, signers, file }: { api: Api; signers: DemoSigners; file: InputFile },
  call: DemoCall,
) {
  const { holding } = file;
  const progress = call.progress(`importing ${holding}`, 'bytes');
  const files = listFiles([file.path]);
  const summary = await importFiles({
    api,
    key: signers.importers[holding],
    holding,
    files,
    ofImages: holding === 'identity-card-images',
    mapping: MAPPINGS[holding],
    encoding: null,
    sheet: null,
    now: call.now,
    random: randomBytes,
    signal: call.signal,
    onProgress: (step, bytes, total) => {
      if (step === 'sent') progress.at(bytes, total);
    },
  });
  progress.end(files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  return { ...summary, rowsPerSecond: Math.round(summary.rows / Math.max(summary.seconds, 0.001)) };
}

async function lookUp(
  { api, signers, people, seed }: { api: Api; signers: DemoSigners; people: People; seed: string },
  counts: LookUpCounts,
  call: DemoCall,
): Promise<void> {
  const holdings = readHoldings();
  const groupsOf = (slug: ShippedHolding) => groupNames(holdings.get(slug) ?? { fields: [] });
  const plan = generateDisclosurePlan(seed, people, Math.min(LOOK_UPS_MAX, people.count), {
    access: ACCESS,
    groups: {
      'sim-registrations': groupsOf('sim-registrations'),
      'travel-history': groupsOf('travel-history'),
      'identity-card-images': groupsOf('identity-card-images'),
    },
    cardCount: Math.min(CARDS_MAX, people.count),
  });
  const terms = { api, signers, people, now: call.now };
  const progress = call.progress('looking up', 'requests');
  await makeLookUps(terms, plan, counts, { progress, signal: call.signal });
  await makeTwoPersonLookUps(terms, counts);
}

/** The gateway opens by itself what is due, and then enters what the keeper has counted of the months that are over. */
async function waitForOpening(api: Api, signal: AbortSignal): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    const { counts } = await api.get<{ readonly counts: readonly unknown[] }>('/v1/seals');
    if (counts.length > 0) return;
    await sleep(LOOK_MS, undefined, { signal });
  }
  throw new Error('what was withheld is not opened');
}

async function handOutCode(
  api: Api,
  { registrar }: DemoSigners,
  people: People,
  { index, now }: { index: number; now: number },
): Promise<string> {
  const value = people.at(index).cnic.replaceAll('-', '');
  const { code, signed } = drawCode(
    registrar,
    { type: 'cnic', value },
    { now, random: randomBytes },
  );
  await api.post('/v1/codes', signed);
  return formatAccessCode(code);
}

/** So that amanat request goes on with each officer's key where the demonstration stopped. */
function keepSequences({ officers }: DemoSigners): void {
  for (const { keyPath, sequence } of officers.flat()) {
    if (sequence > 0) writePrivate(`${keyPath}.sequence`, `${sequence}\n`, { replace: true });
  }
}
