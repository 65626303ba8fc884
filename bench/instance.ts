import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DocumentOf, Witnesses } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { KeyKind, SigningKey } from '@amanat/core/keys';
import { exportSigningKey, generateSigningKey } from '@amanat/core/keys';
import { Api } from '../packages/server/cli/client.ts';
import { createInstance } from '../packages/server/cli/create-instance.ts';
import { readDeclaration } from '../packages/server/cli/declaration-file.ts';
import { signDocument } from '../packages/server/cli/keys.ts';
import type { SignedRequest } from '../packages/server/cli/requests.ts';
import { signRequest } from '../packages/server/cli/requests.ts';
import { instancePaths } from '../packages/server/config/paths.ts';
import { writeSimRegistrations } from '../packages/server/demo/generate/csv-files.ts';
import type { People } from '../packages/server/demo/generate/people.ts';
import { generatePeople } from '../packages/server/demo/generate/people.ts';
import { makeWitnesses } from '../packages/server/demo/set-up.ts';
import { readShipped } from '../packages/server/holdings/holdings.ts';

const CLI = join(import.meta.dirname, '../packages/server/cli/main.ts');
const HOLDING = 'sim-registrations';
const AGENCY = 'demo-police';
const PURPOSE = 'https://w3id.org/dpv/sector/law#CrimeInvestigation';
const LEGAL_BASIS = 'https://w3id.org/dpv#LegalObligation';
/** So large that no budget is what is measured. */
const ENOUGH = 1_000_000;
const DAY_MS = 86_400_000;

/** An import as the command prints it. */
export interface Imported {
  readonly rows: number;
  readonly stored: number;
  readonly seconds: number;
}

/** A throw-away instance with one holding, one agency, and an officer for each kind of key. */
export class BenchInstance {
  readonly dir = mkdtempSync(join(tmpdir(), 'amanat-bench-'));
  readonly paths = instancePaths(this.dir);
  readonly #administrators = [
    generateSigningKey('ed25519'),
    generateSigningKey('ed25519'),
  ] as const;
  readonly #importer = generateSigningKey('ed25519');
  readonly #officers: Readonly<Record<KeyKind, SigningKey>> = {
    ed25519: generateSigningKey('ed25519'),
    p256: generateSigningKey('p256'),
  };
  readonly #sequences = { ed25519: 0, p256: 0 };
  readonly people: People;
  /** Where the gateway's own witnesses are, whom no document has appointed yet. */
  witnesses: Witnesses['witnesses'] = [];
  #appointed = 0;

  private constructor(people: number) {
    this.people = generatePeople('bench', people, new Date().toISOString().slice(0, 10));
  }

  static async create(people: number): Promise<BenchInstance> {
    const instance = new BenchInstance(people);
    const [first, second] = instance.#administrators;
    const { logKey } = await createInstance(
      {
        dir: instance.dir,
        mode: 'demo',
        origin: 'amanat.local/bench',
        administrators: [first.public.text, second.public.text],
        registrar: generateSigningKey('ed25519').public.text,
        activationSeconds: 0,
        port: 8420,
        publishSeconds: 600,
      },
      { now: Date.now(), random: randomBytes },
    );
    instance.witnesses = await makeWitnesses(instance.paths.witnesses, logKey);
    return instance;
  }

  /** Has these witnesses cosign from now on: three of four, or the one. */
  async appoint(witnesses: Witnesses['witnesses']): Promise<void> {
    await using api = new Api({ socketPath: this.paths.gatewaySocket });
    this.#appointed += 1;
    const isOne = witnesses.length === 1;
    const document = writeDocument<'witnesses'>({
      type: 'witnesses',
      version: this.#appointed,
      witnesses,
      quorum: isOne ? 1 : 3,
      faulty: isOne ? 0 : 1,
      breakGlass: null,
      time: Date.now(),
    });
    const signatures = this.#administrators.map((key) => signDocument(key, document));
    await api.post('/v1/documents', { document, signatures });
  }

  /** Enters what the trust root needs, over the API. */
  async declare(): Promise<void> {
    await using api = new Api({ socketPath: this.paths.gatewaySocket });
    const enter = async <T extends 'agency' | 'certificate' | 'declaration' | 'grants'>(
      document: DocumentOf<T>,
    ) => {
      const text = writeDocument<T>(document);
      const signatures = this.#administrators.map((key) => signDocument(key, text));
      await api.post('/v1/documents', { document: text, signatures });
    };
    const time = Date.now();
    const declaration = readDeclaration(readShipped(HOLDING));
    await enter<'declaration'>({ ...declaration, version: 1 });
    await enter<'agency'>({
      type: 'agency',
      agency: AGENCY,
      version: 1,
      name: { en: AGENCY, ur: AGENCY },
      contact: { email: 'bench@agency.example', phone: null, address: null },
      subjectsPerDay: ENOUGH,
      time,
    });
    const certified = [
      [this.#importer, 'importer', declaration.controller.id],
      [this.#officers.ed25519, 'officer', AGENCY],
      [this.#officers.p256, 'officer', AGENCY],
    ] as const;
    for (const [at, [key, role, agency]] of certified.entries()) {
      await enter<'certificate'>({
        type: 'certificate',
        key: key.public.text,
        version: 1,
        person: `person-${at}`,
        agency,
        line: 'one',
        role,
        subjectsPerDay: ENOUGH,
        notAfter: time + DAY_MS,
        time,
      });
    }
    const row = {
      id: 'bench',
      effect: 'permit' as const,
      agency: AGENCY,
      purpose: PURPOSE,
      legalBasis: LEGAL_BASIS,
      holding: HOLDING,
      groups: ['identity', 'number'],
      subjectsMax: 1,
      secondPersonOver: 1,
      hours: null,
      subjectsPerDay: ENOUGH,
    };
    await enter<'grants'>({ type: 'grants', version: 1, utcOffsetMinutes: 0, rows: [row], time });
  }

  /** Imports everybody's registrations with the command, in a process of its own. */
  async import(): Promise<Imported> {
    const key = join(this.dir, 'importer.pem');
    writeFileSync(key, exportSigningKey(this.#importer), { mode: 0o600 });
    const file = join(this.dir, 'registrations.csv');
    await writeSimRegistrations(file, this.people);
    const mapping = join(this.dir, 'mapping.yaml');
    writeFileSync(mapping, MAPPING);
    const words = ['import', HOLDING, file, '--as', key, '--map', mapping];
    return JSON.parse(await this.#run([...words, '--dir', this.dir, '--json'])) as Imported;
  }

  /** Signed requests, one person each, as `count` different officers' devices would send them. */
  requests(kind: KeyKind, count: number): readonly SignedRequest[] {
    return Array.from({ length: count }, (_, at) => {
      const { cnic } = this.people.at(at % this.people.count);
      this.#sequences[kind] += 1;
      return signRequest(
        this.#officers[kind],
        {
          purpose: PURPOSE,
          legalBasis: LEGAL_BASIS,
          authority: 'bench',
          case: 'bench',
          identifiers: [{ type: 'cnic', value: cnic.replaceAll('-', '') }],
          holdings: [{ holding: HOLDING, groups: ['identity', 'number'] }],
        },
        { sequence: this.#sequences[kind], now: Date.now(), random: randomBytes },
      );
    });
  }

  /** Starts `amanat serve` and gives its process and port. */
  async serve(): Promise<{ readonly process: ChildProcess; readonly port: number }> {
    const child = spawn(process.execPath, [CLI, 'serve', '--port', '0', '--dir', this.dir], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.setEncoding('utf8');
    const port = await new Promise<number>((resolve, reject) => {
      let said = '';
      child.stderr.on('data', (text: string) => {
        said = (said + text).slice(-10_000);
        const found = /Serving http:\/\/127\.0\.0\.1:(\d+)/.exec(said);
        if (found !== null) resolve(Number(found[1]));
      });
      child.once('exit', () => reject(new Error('the gateway did not start')));
    });
    return { process: child, port };
  }

  async #run(words: readonly string[]): Promise<string> {
    const child = spawn(process.execPath, [CLI, ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    child.stdout.setEncoding('utf8');
    for await (const text of child.stdout) printed += String(text);
    return printed;
  }
}

const MAPPING = `CNIC: cnic
Name: name
Address: address
MSISDN: msisdn
IMSI: imsi
Operator: operator
Activation Date: activation_date
Biometric Status: biometric_status
`;

/** Memory that a process holds now and has held at most, in MiB; null where the system does not tell. */
export function memoryOf(pid: number): { readonly now: number; readonly most: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = (name: string) =>
      Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0);
    return { now: Math.round(kib('VmRSS') / 1024), most: Math.round(kib('VmHWM') / 1024) };
  } catch {
    return null;
  }
}
