import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { DocumentOf, Signed, Witnesses } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { KeyKind, SigningKey } from '@amanat/core/keys';
import { exportSigningKey, generateSigningKey } from '@amanat/core/keys';
import { formatVerifierKey } from '@amanat/core/log';
import { parseAgency } from '../cli/agency-file.ts';
import type { Api } from '../cli/client.ts';
import type { HoldingFile } from '../cli/declaration-file.ts';
import { readDeclaration } from '../cli/declaration-file.ts';
import { writePrivate } from '../cli/files.ts';
import { parseGrants } from '../cli/grants-file.ts';
import { signDocument } from '../cli/keys.ts';
import { parseSealRules } from '../cli/seal-rules-file.ts';
import type { PlainValue, ShippedHolding } from '../holdings/holdings.ts';
import { readShipped, readYaml, shippedHoldings } from '../holdings/holdings.ts';
import { createWitnessFolder } from '../witness/witness.ts';
import { OFFICERS_PER_AGENCY } from './generate/disclosure-plan.ts';
import { AGENCIES, readDemoFile } from './scenario.ts';

const DAY_MS = 86_400_000;
const SUBJECTS_PER_DAY = 10_000;
/** Who has to cosign: as many as let one of them lie and one be away. */
const WITNESSES = 4;
const QUORUM = { quorum: 3, faulty: 1, breakGlass: { quorum: 2, releases: 10 } } as const;

/** Somebody who asks, and the number of her last request. */
export interface DemoOfficer {
  readonly key: SigningKey;
  readonly keyPath: string;
  sequence: number;
}

/** Everybody who signs in the demonstration. Their keys are in files, as on their own machines. */
export interface DemoSigners {
  readonly administrators: readonly [SigningKey, SigningKey];
  readonly registrar: SigningKey;
  /** By agency. */
  readonly officers: readonly (readonly DemoOfficer[])[];
  readonly approvers: readonly SigningKey[];
  readonly importers: Readonly<Record<ShippedHolding, SigningKey>>;
}

/** Draws everybody's keys. `keep` writes them into a folder, which the instance's own must not have had before. */
export function drawSigners(folder: string): { signers: DemoSigners; keep: () => void } {
  const drawn: { readonly key: SigningKey; readonly keyPath: string }[] = [];
  const draw = (name: string, kind: KeyKind = 'ed25519') => {
    const each = { key: generateSigningKey(kind), keyPath: join(folder, `${name}.pem`) };
    drawn.push(each);
    return each;
  };
  const keep = () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const { key, keyPath } of drawn) {
      writePrivate(keyPath, exportSigningKey(key), { replace: false });
    }
  };
  return { signers: drawWith(draw), keep };
}

type Draw = (
  name: string,
  kind?: KeyKind,
) => { readonly key: SigningKey; readonly keyPath: string };

function drawWith(draw: Draw): DemoSigners {
  return {
    administrators: [draw('administrator-a').key, draw('administrator-b').key],
    registrar: draw('registrar').key,
    officers: AGENCIES.map(({ id }) =>
      // One of each kind of key that the keeper takes.
      Array.from({ length: OFFICERS_PER_AGENCY }, (_, nth) => ({
        ...draw(`${id}.officer-${nth + 1}`, nth % 2 === 0 ? 'p256' : 'ed25519'),
        sequence: 0,
      })),
    ),
    approvers: AGENCIES.map(({ id }) => draw(`${id}.approver`).key),
    importers: {
      'sim-registrations': draw('sim-registrations.importer').key,
      'travel-history': draw('travel-history.importer').key,
      'identity-card-images': draw('identity-card-images.importer').key,
    },
  };
}

/**
 * Makes witnesses of a log, each in a folder named for the port that it is to serve on. Gives what the administrators'
 * document says of them.
 */
export async function makeWitnesses(
  folder: string,
  logKey: string,
): Promise<Witnesses['witnesses']> {
  const ports = await findPorts(WITNESSES);
  return ports.map((port, at) => {
    const dir = join(folder, String(port));
    const name = `amanat.local/demo-witness-${at + 1}`;
    const [key] = createWitnessFolder(dir, { name, kinds: ['ed25519'], logs: [logKey] });
    if (key === undefined) throw new Error('a witness has no key');
    return { key: formatVerifierKey(key.public), url: `http://127.0.0.1:${port}/` };
  });
}

/** Ports that are free, all at the same time. */
async function findPorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

/** The shipped declarations. */
export function readHoldings(): ReadonlyMap<ShippedHolding, HoldingFile> {
  return new Map(
    shippedHoldings.map((holding) => [holding, readDeclaration(readShipped(holding))]),
  );
}

/** Appoints the witnesses, as {@link declareAll} declares. */
export async function appointWitnesses(
  api: Api,
  { signers, witnesses }: { signers: DemoSigners; witnesses: Witnesses['witnesses'] },
  now: () => number,
): Promise<void> {
  const document = writeDocument<'witnesses'>({
    type: 'witnesses',
    version: 1,
    witnesses,
    ...QUORUM,
    time: now(),
  });
  await enterDocument(api, signers, document);
}

/**
 * Declares the holdings, enters the agencies, certifies everybody, and puts the grants table and the seal rules in
 * force: each a document that both administrators sign, handed in over the API.
 */
export async function declareAll(api: Api, signers: DemoSigners, now: () => number): Promise<void> {
  const enter = (document: string) => enterDocument(api, signers, document);
  const holdings = readHoldings();
  for (const holding of holdings.values()) {
    await enter(writeDocument<'declaration'>({ ...holding, version: 1 }));
  }
  for (const { id } of AGENCIES) {
    const agency = parseAgency(plain(`agencies/${id}.yaml`));
    await enter(writeDocument<'agency'>({ type: 'agency', version: 1, ...agency, time: now() }));
  }
  for (const certificate of certificatesOf(signers, holdings)) {
    await enter(
      writeDocument<'certificate'>({
        ...certificate,
        type: 'certificate',
        version: 1,
        subjectsPerDay: SUBJECTS_PER_DAY,
        notAfter: now() + 365 * DAY_MS,
        time: now(),
      }),
    );
  }
  const table = parseGrants(plain('grants.yaml'));
  await enter(writeDocument<'grants'>({ type: 'grants', version: 1, ...table, time: now() }));
  const rules = parseSealRules(plain('seal-rules.yaml'));
  await enter(
    writeDocument<'seal-rules'>({ type: 'seal-rules', version: 1, ...rules, time: now() }),
  );
}

async function enterDocument(
  api: Api,
  { administrators }: DemoSigners,
  document: string,
): Promise<void> {
  const signatures = administrators.map((key) => signDocument(key, document));
  const signed: Signed = { document, signatures };
  await api.post('/v1/documents', signed);
}

type Certified = Pick<DocumentOf<'certificate'>, 'key' | 'person' | 'agency' | 'line' | 'role'>;

function* certificatesOf(
  { officers, approvers, importers }: DemoSigners,
  holdings: ReadonlyMap<ShippedHolding, HoldingFile>,
): Generator<Certified> {
  for (const [at, { id }] of AGENCIES.entries()) {
    for (const [nth, { key }] of (officers[at] ?? []).entries()) {
      const person = `officer-${nth + 1}`;
      yield { key: key.public.text, person, agency: id, line: 'field', role: 'officer' };
    }
    const approver = approvers[at];
    if (approver === undefined) continue;
    const key = approver.public.text;
    // Another line of command than the officers': that is what a second person is.
    yield { key, person: 'approver-1', agency: id, line: 'legal', role: 'approver' };
  }
  for (const [slug, { controller }] of holdings) {
    const key = importers[slug].public.text;
    yield { key, person: 'importer-1', agency: controller.id, line: 'records', role: 'importer' };
  }
}

function plain(name: string): PlainValue {
  const read = readYaml(readDemoFile(name));
  if (!read.ok) throw new Error('a shipped file is not readable');
  return read.value;
}
