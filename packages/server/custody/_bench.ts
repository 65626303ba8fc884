import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { base64, hex } from '@amanat/core/bytes';
import type { DocumentOf, Signed } from '@amanat/core/grants';
import { signingInput, writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey, sign } from '@amanat/core/keys';
import type { KeeperPort } from '@amanat/keeper/client';
import {
  createKeeper,
  drawUnderPassphrase,
  KeeperClient,
  keeperArguments,
} from '@amanat/keeper/client';
import { parseDeclarationFile } from '../holdings/parse.ts';
import type { ShippedHolding } from '../holdings/shipped.ts';
import { readShipped, shippedHoldings } from '../holdings/shipped.ts';
import { createLogKey } from '../log/key.ts';
import { LogKeys } from '../log/keys.ts';
import { Log } from '../log/log.ts';
import { createSqliteLogStore } from '../log/store-sqlite.ts';
import type { Database } from '../storage/sqlite.ts';
import { openDatabase } from '../storage/sqlite.ts';
import type { Begun, Custody, ImportStatus } from './custody.ts';
import { createCustody } from './custody.ts';
import type { NamedSource } from './rows/frames.ts';
import { encodeFrames } from './rows/frames.ts';
import { SqliteCustodyStore } from './store-sqlite.ts';

export const ORIGIN = 'custody.test.example';
const PASSPHRASE = 'a test passphrase';

/** Files of an upload, by name. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** What an import can be begun with, beside its files. */
export interface BeginOptions {
  readonly salt?: string;
  readonly rowLimit?: number;
  readonly mapping?: unknown;
  readonly encoding?: string | null;
  readonly sheet?: string | null;
  readonly key?: SigningKey;
  readonly time?: number;
  readonly commitment?: string;
}

/** A gateway's custody, log and store, with a keeper in a process of its own, and those who may sign. */
export class Bench {
  readonly directory: string;
  readonly importers = new Map<ShippedHolding, SigningKey>();
  readonly #administrators = [
    generateSigningKey('ed25519'),
    generateSigningKey('ed25519'),
  ] as const;
  readonly #logKey: ReturnType<typeof createLogKey>;
  #child: ChildProcess | null = null;
  keeper!: KeeperClient;
  /** What custody speaks to; a test may put something between. */
  port!: KeeperPort;
  database!: Database;
  log!: Log;
  store!: SqliteCustodyStore;
  custody!: Custody;
  /** Added to the gateway's clock, milliseconds. */
  clockMs = 0;

  private constructor(directory: string) {
    this.directory = directory;
    for (const name of ['keeper', 'log', 'imports']) mkdirSync(join(directory, name));
    this.#logKey = createLogKey(join(directory, 'log'), ORIGIN);
  }

  /** An instance in which the shipped holdings are declared and each has an importer. */
  static async open(): Promise<Bench> {
    const bench = new Bench(mkdtempSync(join(tmpdir(), 'amanat-custody-')));
    const genesis = await createKeeper({
      dir: join(bench.directory, 'keeper'),
      root: drawUnderPassphrase(Buffer.from(PASSPHRASE)),
      genesis: (keys) =>
        writeDocument<'genesis'>({
          type: 'genesis',
          origin: ORIGIN,
          mode: 'trial',
          logKey: bench.#logKey.verifierKey,
          ...keys,
          administrators: bench.#administrators.map((key) => key.public.text),
          registrar: generateSigningKey('ed25519').public.text,
          activationSeconds: 0,
          time: Date.now(),
        }),
    });
    writeFileSync(join(bench.directory, 'passphrase'), PASSPHRASE, { mode: 0o600 });
    await bench.startKeeper();
    await bench.openGateway();
    await bench.appendPublic({ document: genesis, signatures: [] });
    for (const holding of shippedHoldings) await bench.#declare(holding);
    return bench;
  }

  /** Of the keeper's process; 0 where it does not run. */
  get keeperPid(): number {
    return this.#child?.pid ?? 0;
  }

  get socket(): string {
    return join(this.directory, 'keeper.sock');
  }

  async startKeeper(): Promise<void> {
    const places = {
      dir: join(this.directory, 'keeper'),
      socket: this.socket,
      passphraseFile: join(this.directory, 'passphrase'),
    };
    const child = spawn(process.execPath, keeperArguments(places, { embedded: true }), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
  }

  /** Ends the keeper in good order. */
  async stopKeeper(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.stdin?.end();
    await once(child, 'exit');
  }

  /** Kills the keeper as a power cut would. */
  async killKeeper(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  /** Opens the gateway's parts, or opens them again, as after a crash. */
  async openGateway(): Promise<void> {
    this.keeper = new KeeperClient(this.socket);
    this.port = { ask: (name, body, attachment) => this.keeper.ask(name, body, attachment) };
    this.database = openDatabase(join(this.directory, 'amanat.db'));
    this.log = new Log({
      store: createSqliteLogStore(this.database),
      keeper: this.keeper,
      keys: new LogKeys(join(this.directory, 'log'), ORIGIN),
      publicDirectory: join(this.directory, 'log', 'public'),
      publishSeconds: 600,
      now: () => Date.now() + this.clockMs,
    });
    await this.log.ready();
    this.store = new SqliteCustodyStore(this.database);
    this.custody = createCustody({
      store: this.store,
      keeper: { ask: (name, body, attachment) => this.port.ask(name, body, attachment) },
      log: this.log,
      folder: join(this.directory, 'imports'),
      allowSynthetic: true,
      randomBytes,
    });
    this.custody.imports.recover();
  }

  async closeGateway(): Promise<void> {
    await this.custody.imports.settled();
    await this.log.close();
    this.database.close();
    await this.keeper[Symbol.asyncDispose]();
  }

  async close(): Promise<void> {
    await this.closeGateway();
    await this.stopKeeper();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async appendPublic(signed: Signed): Promise<number> {
    const appended = await this.log.appendPublic(signed);
    if ('refused' in appended) throw new Error(`entry refused: ${appended.refused}`);
    return appended.index;
  }

  /** Declares a shipped holding as it stands, or the next version of it. */
  async redeclare(holding: ShippedHolding, changes: Partial<DocumentOf<'declaration'>> = {}) {
    const version = this.log.register.latestVersion('declaration', holding) + 1;
    await this.appendPublic(
      this.#byAdministrators({ ...declarationOf(holding), version, ...changes }),
    );
  }

  /** Two administrators revoke a key. */
  async revoke(key: SigningKey): Promise<void> {
    await this.appendPublic(
      this.#byAdministrators({
        type: 'revocation',
        key: key.public.id,
        version: 1,
        reason: 'test',
        time: Date.now(),
      }),
    );
  }

  /** Enrols an importer of the holding's controller. */
  async enrol(holding: ShippedHolding): Promise<SigningKey> {
    const key = generateSigningKey('ed25519');
    await this.appendPublic(
      this.#byAdministrators({
        type: 'certificate',
        key: key.public.text,
        version: 1,
        person: 'i-1',
        agency: declarationOf(holding).controller.id,
        line: 'records',
        role: 'importer',
        subjectsPerDay: 0,
        notAfter: Date.now() + 86_400_000,
        time: Date.now(),
      }),
    );
    return key;
  }

  /** A signed announcement of files. */
  announce(holding: ShippedHolding, upload: Uint8Array, options: BeginOptions = {}) {
    const salt = options.salt ?? hex(randomBytes(32));
    const commitment = createHash('sha256')
      .update(Buffer.from(salt, 'hex'))
      .update(upload)
      .digest('hex');
    const document = writeDocument<'import-begun'>({
      type: 'import-begun',
      holding,
      rowLimit: options.rowLimit ?? 1_000_000,
      commitment: options.commitment ?? commitment,
      nonce: hex(randomBytes(16)),
      time: options.time ?? Date.now(),
    });
    const key = options.key ?? (this.importers.get(holding) as SigningKey);
    return {
      signed: { document, signatures: [signature(key, document)] },
      salt,
      mapping: options.mapping ?? null,
      encoding: options.encoding ?? null,
      sheet: options.sheet ?? null,
    };
  }

  begin(holding: ShippedHolding, upload: Uint8Array, options: BeginOptions = {}): Promise<Begun> {
    return this.custody.imports.begin(this.announce(holding, upload, options));
  }

  upload(begun: Begun, upload: Uint8Array, chunkBytes = 65_536): Promise<ImportStatus> {
    return this.custody.imports.upload(begun.import, begun.upload, inChunks(upload, chunkBytes));
  }

  /** Announces and uploads files, to the end. */
  async import(
    holding: ShippedHolding,
    files: Files,
    options: BeginOptions = {},
  ): Promise<ImportStatus> {
    const bytes = await framed(files);
    return this.upload(await this.begin(holding, bytes, options), bytes);
  }

  async #declare(holding: ShippedHolding): Promise<void> {
    await this.redeclare(holding);
    this.importers.set(holding, await this.enrol(holding));
  }

  #byAdministrators(document: DocumentOf<'declaration' | 'certificate' | 'revocation'>): Signed {
    const text = writeDocument(document);
    return { document: text, signatures: this.#administrators.map((key) => signature(key, text)) };
  }
}

function signature(key: SigningKey, document: string) {
  return { key: key.public.id, signature: base64(sign(key, signingInput(document))) };
}

/** A shipped declaration as a document of the log. */
export function declarationOf(holding: ShippedHolding): DocumentOf<'declaration'> {
  const parsed = parseDeclarationFile(readShipped(holding));
  if (!parsed.ok) throw new Error('shipped declaration does not parse');
  return parsed.declaration;
}

/** The bytes of an upload. */
export async function framed(files: Files): Promise<Buffer> {
  const sources = Object.entries(files).map(([name, content]): NamedSource => {
    const bytes = Buffer.from(content);
    return { name, size: bytes.length, content: [bytes] };
  });
  return Buffer.concat(await Array.fromAsync(encodeFrames(sources)));
}

export async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export const SIM_HEADING =
  'cnic,name,address,msisdn,imsi,operator,activation_date,biometric_status\n';

/** The national identity number of the n-th synthetic person. */
export function cnicOf(person: number): string {
  const digits = String(person).padStart(12, '0');
  return `${digits.slice(0, 5)}-${digits.slice(5)}-${(person % 9) + 1}`;
}

/** One line of SIM registrations: the n-th SIM, of the n-th person unless told otherwise. */
export function simLine(
  sim: number,
  { person = sim, name = 'A Person' }: { readonly person?: number; readonly name?: string } = {},
): string {
  const number = String(sim).padStart(7, '0');
  return (
    `${cnicOf(person)},${name},"House ${sim % 400}, Street ${sim % 90}, Lahore",0398-${number},` +
    `001010${String(sim).padStart(9, '0')},Bay Telecom,2021-0${(sim % 9) + 1}-1${sim % 10},verified\n`
  );
}

/** A file of SIM registrations from the first to the last, both included. */
export function simFile(first: number, last: number): string {
  let text = SIM_HEADING;
  for (let sim = first; sim <= last; sim++) text += simLine(sim);
  return text;
}
