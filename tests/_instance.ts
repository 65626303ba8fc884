import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { base64, hex, utf8 } from '@amanat/core/bytes';
import type { DocumentOf, Grants, Signed } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey, sealTo } from '@amanat/core/keys';
import { VIEW_INFO, writeViewAsk } from '@amanat/core/view';
import type { KeeperPort } from '@amanat/keeper/client';
import { KeeperClient, keeperArguments } from '@amanat/keeper/client';
import { createCitizen } from '../packages/server/citizen/citizen.ts';
import type { DrawnCode } from '../packages/server/cli/codes.ts';
import { drawCode } from '../packages/server/cli/codes.ts';
import { createInstance } from '../packages/server/cli/create-instance.ts';
import { readDeclaration } from '../packages/server/cli/declaration-file.ts';
import { signDocument } from '../packages/server/cli/keys.ts';
import type { RequestTerms, SignedRequest } from '../packages/server/cli/requests.ts';
import { signApproval, signRequest } from '../packages/server/cli/requests.ts';
import { readConfig } from '../packages/server/config/config.ts';
import { instancePaths } from '../packages/server/config/paths.ts';
import type { ImportStatus } from '../packages/server/custody/custody.ts';
import { createCustody } from '../packages/server/custody/custody.ts';
import { encodeFrames } from '../packages/server/custody/rows/frames.ts';
import { SqliteCustodyStore } from '../packages/server/custody/store-sqlite.ts';
import { silentLogger } from '../packages/server/disclosure/_served.ts';
import { createDisclosure } from '../packages/server/disclosure/disclosure.ts';
import type { Records } from '../packages/server/disclosure/find.ts';
import type { Gateway } from '../packages/server/gateway.ts';
import { startGateway } from '../packages/server/gateway.ts';
import type { ShippedHolding } from '../packages/server/holdings/shipped.ts';
import { readShipped } from '../packages/server/holdings/shipped.ts';
import { LogKeys } from '../packages/server/log/keys.ts';
import { Log } from '../packages/server/log/log.ts';
import { createSqliteLogStore } from '../packages/server/log/store-sqlite.ts';
import { createSeals } from '../packages/server/seals/seals.ts';
import { openDatabase } from '../packages/server/storage/sqlite.ts';

export const ORIGIN = 'journey.example/log';
const YEAR_MS = 365 * 86_400_000;
const ROW_SLACK = 4096;

export const PURPOSE = 'https://w3id.org/dpv/sector/law#CrimeInvestigation';
export const LEGAL_BASIS = 'https://w3id.org/dpv#OfficialAuthorityOfController';

/** The people of a journey, each with a key of their own. */
export type Name =
  | 'administrator-1'
  | 'administrator-2'
  | 'registrar'
  /** demo-police, line one; the grants allow it the SIM registrations. */
  | 'officer'
  /** demo-police, line one, with five subjects a day. */
  | 'officer-with-little'
  /** demo-health: enrolled, and no grant at all. */
  | 'officer-without-grant'
  /** Approvers of demo-police: of line two, and of the officer's own line. */
  | 'approver'
  | 'approver-same-line'
  /** An approver of another line whose certificate names the officer's person. */
  | 'approver-same-person'
  | 'telecom-importer'
  | 'border-importer';

/** Who is certified for what. */
const CERTIFIED: readonly {
  readonly name: Name;
  readonly person: string;
  readonly agency: string;
  readonly line: string;
  readonly role: 'officer' | 'approver' | 'importer';
  readonly subjectsPerDay: number;
}[] = [
  {
    name: 'officer',
    person: 'p-1',
    agency: 'demo-police',
    line: 'one',
    role: 'officer',
    subjectsPerDay: 900_000,
  },
  {
    name: 'officer-with-little',
    person: 'p-2',
    agency: 'demo-police',
    line: 'one',
    role: 'officer',
    subjectsPerDay: 5,
  },
  {
    name: 'officer-without-grant',
    person: 'h-1',
    agency: 'demo-health',
    line: 'one',
    role: 'officer',
    subjectsPerDay: 100,
  },
  {
    name: 'approver',
    person: 'p-3',
    agency: 'demo-police',
    line: 'two',
    role: 'approver',
    subjectsPerDay: 0,
  },
  {
    name: 'approver-same-line',
    person: 'p-4',
    agency: 'demo-police',
    line: 'one',
    role: 'approver',
    subjectsPerDay: 0,
  },
  {
    name: 'approver-same-person',
    person: 'p-1',
    agency: 'demo-police',
    line: 'two',
    role: 'approver',
    subjectsPerDay: 0,
  },
  {
    name: 'telecom-importer',
    person: 't-1',
    agency: 'demo-telecom',
    line: 'one',
    role: 'importer',
    subjectsPerDay: 0,
  },
  {
    name: 'border-importer',
    person: 'b-1',
    agency: 'demo-border',
    line: 'one',
    role: 'importer',
    subjectsPerDay: 0,
  },
];

/** The grants of a journey. */
const ROWS: Grants['rows'] = [
  {
    id: 'police-sims',
    effect: 'permit',
    agency: 'demo-police',
    purpose: PURPOSE,
    legalBasis: LEGAL_BASIS,
    holding: 'sim-registrations',
    groups: ['identity', 'number', 'status'],
    subjectsMax: 100,
    secondPersonOver: 10,
    hours: null,
    subjectsPerDay: 900_000,
  },
  {
    id: 'police-travel',
    effect: 'permit',
    agency: 'demo-police',
    purpose: PURPOSE,
    legalBasis: LEGAL_BASIS,
    holding: 'travel-history',
    groups: ['identity', 'crossing'],
    subjectsMax: 10,
    secondPersonOver: 0,
    hours: null,
    subjectsPerDay: 900_000,
  },
];

/** What a journey may change of what an officer asks. */
export type Terms = Partial<RequestTerms> & { readonly sequence?: number; readonly time?: number };

/** Puts something between the gateway and its keeper, or its store, for a gateway that lies. */
export interface Changed {
  readonly keeper?: (real: KeeperPort) => KeeperPort;
  readonly records?: (real: Records) => Records;
  /** How often tiles are published; 0, and so absent, at once. */
  readonly publishSeconds?: number;
}

/**
 * A whole instance in a folder of its own: the real keeper in its own process; the real store, log and parts in this
 * one. Two controllers' holdings, three agencies, and the people above.
 */
export class Instance {
  readonly dir = mkdtempSync(join(tmpdir(), 'amanat-journey-'));
  readonly paths = instancePaths(this.dir);
  readonly warnings: string[] = [];
  readonly #keys = new Map<Name, SigningKey>();
  readonly #sequences = new Map<Name, number>();
  /** Added to the officers' clocks. */
  clockMs = 0;
  #process: ChildProcess | null = null;
  #gateway: Awaited<ReturnType<typeof openGateway>> | null = null;

  /** Makes it, with the trust root, declarations, certificates and grants in the log. */
  static async create(): Promise<Instance> {
    const instance = new Instance();
    await createInstance(
      {
        dir: instance.dir,
        mode: 'demo',
        origin: ORIGIN,
        administrators: [
          instance.key('administrator-1').public.text,
          instance.key('administrator-2').public.text,
        ],
        registrar: instance.key('registrar').public.text,
        activationSeconds: 0,
        port: 8080,
        publishSeconds: 0,
      },
      { now: Date.now(), random: randomBytes },
    );
    await instance.startKeeper();
    await instance.startGateway();
    for (const agency of ['demo-police', 'demo-investigation', 'demo-health']) {
      await instance.enter<'agency'>({
        type: 'agency',
        agency,
        version: 1,
        name: { en: agency, ur: agency },
        contact: { email: 'privacy@agency.example', phone: null, address: null },
        subjectsPerDay: 1_000_000,
        time: Date.now(),
      });
    }
    await instance.declare('sim-registrations');
    await instance.declare('travel-history');
    for (const { name, ...certified } of CERTIFIED) {
      await instance.enter<'certificate'>({
        type: 'certificate',
        key: instance.key(name).public.text,
        version: 1,
        ...certified,
        notAfter: Date.now() + YEAR_MS,
        time: Date.now(),
      });
    }
    await instance.grant(ROWS);
    return instance;
  }

  /** The present gateway's parts. */
  get gateway() {
    if (this.#gateway === null) throw new Error('the gateway is not started');
    return this.#gateway;
  }

  /** A person's key, made at its first use. */
  key(name: Name): SigningKey {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    // One of each kind, so that every journey meets both.
    const made = generateSigningKey(name === 'officer-with-little' ? 'ed25519' : 'p256');
    this.#keys.set(name, made);
    return made;
  }

  /** Signs a document. */
  sign(document: string, ...names: readonly Name[]): Signed {
    return { document, signatures: names.map((name) => signDocument(this.key(name), document)) };
  }

  /** Enters a document in both administrators' names. */
  async enter<
    T extends 'agency' | 'certificate' | 'declaration' | 'grants' | 'revocation' | 'seal-rules',
  >(document: DocumentOf<T>): Promise<number> {
    const signed = this.sign(writeDocument<T>(document), 'administrator-1', 'administrator-2');
    const entered = await this.gateway.log.appendPublic(signed);
    if ('refused' in entered) throw new Error(`not entered: ${document.type}, ${entered.refused}`);
    return entered.index;
  }

  async declare(holding: ShippedHolding): Promise<void> {
    const version = this.gateway.log.register.latestVersion('declaration', holding) + 1;
    await this.enter<'declaration'>({ ...readDeclaration(readShipped(holding)), version });
  }

  async grant(rows: Grants['rows']): Promise<void> {
    const version = this.gateway.log.register.latestVersion('grants', '') + 1;
    const utcOffsetMinutes = 300;
    await this.enter<'grants'>({
      type: 'grants',
      version,
      utcOffsetMinutes,
      rows,
      time: Date.now(),
    });
  }

  async revoke(name: Name): Promise<void> {
    const key = this.key(name).public.id;
    const version = this.gateway.log.register.latestVersion('certificate', key);
    const time = Date.now();
    await this.enter<'revocation'>({ type: 'revocation', key, version, reason: 'journey', time });
  }

  /**
   * Imports a CSV file by the path that every import takes. Under the same salt the same file goes on where it was
   * interrupted.
   */
  async importCsv(
    importer: 'telecom-importer' | 'border-importer',
    holding: ShippedHolding,
    csv: string,
    salt: Buffer = randomBytes(16),
  ): Promise<ImportStatus> {
    const content = utf8(csv);
    const file = { name: 'rows.csv', size: content.length, content: [content] };
    const frames: Uint8Array[] = [];
    for await (const frame of encodeFrames([file])) frames.push(frame);
    const commitment = createHash('sha256').update(salt);
    for (const frame of frames) commitment.update(frame);
    const document = writeDocument<'import-begun'>({
      type: 'import-begun',
      holding,
      // What was drawn and not stored before an interruption is drawn again.
      rowLimit: csv.split('\n').length + ROW_SLACK,
      commitment: commitment.digest('hex'),
      nonce: hex(randomBytes(16)),
      time: Date.now(),
    });
    const { imports } = this.gateway.custody;
    const signed = this.sign(document, importer);
    const ask = { signed, salt: hex(salt), mapping: null, encoding: null, sheet: null };
    const begun = await imports.begin(ask);
    const body = (async function* () {
      yield* frames;
    })();
    const done = await imports.upload(begun.import, begun.upload, body);
    if (done.rejected > 0) throw new Error(`${done.rejected} rows were rejected`);
    return done;
  }

  /** An officer's signed request for SIM registrations, unless the terms say otherwise. */
  request(name: Name, cnics: readonly string[], terms: Terms = {}): SignedRequest {
    const { sequence = (this.#sequences.get(name) ?? 0) + 1, time, ...changed } = terms;
    this.#sequences.set(name, Math.max(sequence, this.#sequences.get(name) ?? 0));
    const now = time ?? Date.now() + this.clockMs;
    const asked = { ...simTerms(cnics), ...changed };
    return signRequest(this.key(name), asked, { sequence, now, random: randomBytes });
  }

  /** An approver's signature over a request. */
  approve(name: Name, request: Signed): Signed {
    const now = Date.now() + this.clockMs;
    return signApproval(this.key(name), request, { now, random: randomBytes });
  }

  /** Protects a subject, or ends it. */
  protection(cnic: string, isProtected: boolean): Signed {
    const document = writeDocument<'protection'>({
      type: 'protection',
      identifier: { type: 'cnic', value: cnic },
      protected: isProtected,
      reason: 'journey',
      nonce: hex(randomBytes(16)),
      time: Date.now(),
    });
    return this.sign(document, 'administrator-1', 'administrator-2');
  }

  /** A code for a person, and the registrar's document that hands it out. */
  code(cnic: string): DrawnCode {
    const identifier = { type: 'cnic', value: cnic } as const;
    return drawCode(this.key('registrar'), identifier, { now: Date.now(), random: randomBytes });
  }

  /** What her browser seals to the keeper, and what it needs to open the answer. */
  async viewAsk(code: string, time: number = Date.now()) {
    const { keeperSealingKey } = this.gateway.log.register.genesis ?? { keeperSealingKey: '' };
    const ask = writeViewAsk({ type: 'view', code, time });
    const recipient = Buffer.from(keeperSealingKey, 'base64');
    const { enc, ciphertext, exporter } = await sealTo(recipient, VIEW_INFO, ask);
    return { sealed: { enc: base64(enc), ciphertext: base64(ciphertext) }, exporter };
  }

  /** The keeper's process. */
  get keeperPid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error('the keeper is not started');
    return pid;
  }

  /** @param clockMs added to the keeper's clock */
  async startKeeper(clockMs = 0): Promise<void> {
    const { keeper, keeperSocket, passphrase } = this.paths;
    const { standby } = readConfig(this.dir);
    const places = { dir: keeper, socket: keeperSocket, passphraseFile: passphrase, standby };
    const shifted = `const now = Date.now; Date.now = () => now() + ${clockMs};`;
    const clock = clockMs === 0 ? [] : ['--import', `data:text/javascript,${shifted}`];
    const child = spawn(process.execPath, [...clock, ...keeperArguments(places)], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('exit', (status) => reject(new Error(`the keeper ended with ${status}`)));
    });
    child.removeAllListeners('exit');
    // Nothing of it holds this process up.
    child.unref();
    child.channel?.unref();
    (child.stdout as unknown as { unref(): void }).unref();
    this.#process = child;
  }

  async stopKeeper(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null) return;
    child.ref();
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** Starts the gateway's parts in this process, the former ones stopped. */
  async startGateway(changed: Changed = {}): Promise<void> {
    await this.stopGateway();
    this.#gateway = await openGateway(this.paths, this.warnings, changed);
  }

  async stopGateway(): Promise<void> {
    await this.#gateway?.close();
    this.#gateway = null;
  }

  /** Has the real gateway serve this instance over HTTP, in place of the parts in this process. */
  async serve(): Promise<Gateway> {
    await this.stopGateway();
    return startGateway({ dir: this.dir, port: 0, keeper: 'external', logger: silentLogger() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopGateway();
    await this.stopKeeper();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** The gateway's parts, put together as the gateway puts them. */
async function openGateway(
  paths: ReturnType<typeof instancePaths>,
  warnings: string[],
  { keeper: changeKeeper, records: changeRecords, publishSeconds = 0 }: Changed,
) {
  const database = openDatabase(paths.database);
  const client = new KeeperClient(paths.keeperSocket);
  const keeper = changeKeeper?.(client) ?? client;
  const now = () => Date.now();
  const log = new Log({
    store: createSqliteLogStore(database),
    keeper,
    keys: new LogKeys(paths.log, ORIGIN),
    publicDirectory: paths.public,
    publishSeconds,
    now,
  });
  client.onLost((error) => log.loseKeeper(error));
  const custody = createCustody({
    store: new SqliteCustodyStore(database),
    keeper,
    log,
    folder: paths.imports,
    allowSynthetic: true,
    randomBytes,
  });
  const warn = (event: string) => void warnings.push(event);
  const disclosure = createDisclosure({
    keeper,
    log,
    records: changeRecords?.(custody) ?? custody,
    warn,
    retryMs: 50,
    randomBytes,
  });
  const citizen = createCitizen({
    disclosure,
    keeper,
    log,
    custody,
    certify: async () => {},
  });
  const seals = createSeals({ disclosure, keeper, log, warn });
  await log.ready();
  custody.imports.recover();
  await disclosure.start();
  return {
    database,
    keeper,
    log,
    custody,
    disclosure,
    citizen,
    seals,
    close: async () => {
      seals[Symbol.dispose]();
      await disclosure.close();
      await log.close();
      await client[Symbol.asyncDispose]();
      database.close();
    },
  };
}

/** What an officer asks about SIM registrations. */
export function simTerms(cnics: readonly string[]): RequestTerms {
  return {
    purpose: PURPOSE,
    legalBasis: LEGAL_BASIS,
    authority: 'order 12 of the court',
    case: 'case-7',
    identifiers: cnics.map((value) => ({ type: 'cnic', value })),
    holdings: [{ holding: 'sim-registrations', groups: ['identity', 'number'] }],
  };
}

/** A synthetic identity number by its serial. */
export function cnicOf(serial: number): string {
  return `0${String(serial).padStart(12, '0')}`;
}

/** A CSV file of SIM registrations, one for each serial. */
export function simsCsv(serials: readonly number[]): string {
  const rows = serials.map((serial) => {
    const msisdn = `+92398${String(serial).padStart(7, '0')}`;
    const imsi = `00101${String(serial).padStart(10, '0')}`;
    return `${cnicOf(serial)},Person ${serial},${serial} Example Road,${msisdn},${imsi},Alif Mobile,2024-03-05,verified`;
  });
  const heading = 'cnic,name,address,msisdn,imsi,operator,activation_date,biometric_status';
  return `${[heading, ...rows].join('\n')}\n`;
}

/** A CSV file of border crossings, one for each serial. */
export function travelCsv(serials: readonly number[]): string {
  const rows = serials.map(
    (serial) =>
      `${cnicOf(serial)},Person ${serial},2026-01-05T10:00:00+05:00,entry,Wagah,Carrier,QX${serial}`,
  );
  return `${['cnic,name,crossed_at,direction,post,carrier,document', ...rows].join('\n')}\n`;
}
