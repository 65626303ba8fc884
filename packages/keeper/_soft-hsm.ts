import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceArguments } from './confinement.ts';

/** Where Linux distributions put SoftHSM's module. */
const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
];
const MODULE = MODULES.find((path) => existsSync(path));
const isThere = (program: string) => spawnSync(program, ['--version']).error === undefined;
const SO_PIN = '87654321';

/** Why the tests of a device cannot be run here; false where they can. */
export const skip: string | false =
  MODULE !== undefined && isThere('softhsm2-util') && isThere('pkcs11-tool')
    ? false
    : 'SoftHSM 2 and OpenSC are not installed (packages softhsm2 and opensc)';

/** A token of SoftHSM 2 in a folder of its own, and a key on it with which a root may be drawn. */
export class SoftHsm implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'amanat-hsm-'));
  readonly module = MODULE ?? '';
  readonly token = 'amanat';
  readonly key = '01';
  readonly pin = '4711-0815';
  readonly pinFile = join(this.dir, 'pin');
  readonly environment: NodeJS.ProcessEnv;
  readonly #tokens = join(this.dir, 'tokens');

  constructor() {
    const settings = join(this.dir, 'softhsm2.conf');
    mkdirSync(this.#tokens);
    writeFileSync(
      settings,
      `directories.tokendir = ${this.#tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
    );
    this.environment = { PATH: process.env.PATH, SOFTHSM2_CONF: settings };
    this.initialize();
    this.setPin(this.pin);
    this.generate(this.key, ['--sensitive']);
  }

  /** What config.json and the device's process are told. */
  get place() {
    const { module, token, key, pinFile } = this;
    return { module, token, key, pinFile };
  }

  /** Makes another token. */
  initialize(label = this.token): void {
    const pins = ['--pin', this.pin, '--so-pin', SO_PIN];
    this.#run('softhsm2-util', ['--init-token', '--free', '--label', label, ...pins]);
  }

  /** Takes every token out of the reader, or puts them in again. */
  takeOut(): void {
    writeFileSync(join(this.dir, 'softhsm2.conf'), `directories.tokendir = ${this.dir}/none\n`);
    mkdirSync(join(this.dir, 'none'), { recursive: true });
  }

  putIn(): void {
    writeFileSync(join(this.dir, 'softhsm2.conf'), `directories.tokendir = ${this.#tokens}\n`);
  }

  /** Writes the PIN's file. */
  setPin(pin: string): void {
    writeFileSync(this.pinFile, `${pin}\n`, { mode: 0o600 });
  }

  /** Makes a key on the token, which is private; the attributes say what else. */
  generate(id: string, attributes: readonly string[], type = 'GENERIC:32'): void {
    this.tool(['--keygen', '--key-type', type, '--id', id, '--private', ...attributes]);
  }

  /** Removes a key from the token. */
  remove(id: string): void {
    this.tool(['--delete-object', '--type', 'secrkey', '--id', id]);
  }

  /** What somebody does by hand. */
  tool(words: readonly string[], pin = this.pin): string {
    const of = ['--module', this.module, '--token-label', this.token];
    return this.#run('pkcs11-tool', [...of, '--login', '--pin', pin, ...words]);
  }

  /** Tries a wrong PIN, as a mistake by hand would. */
  mistype(): void {
    const argv = ['--module', this.module, '--token-label', this.token, '--login', '--pin', '0000'];
    const { status } = spawnSync('pkcs11-tool', [...argv, '-O'], { env: this.environment });
    if (status === 0) throw new Error('the token took a wrong PIN');
  }

  /** What the token says of its PIN. */
  get flags(): string {
    const listed = this.#run('pkcs11-tool', ['--module', this.module, '-L']);
    return /token flags\s*: (.*)/.exec(listed)?.[1] ?? '';
  }

  #run(program: string, argv: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(program, argv, {
      env: this.environment,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    return stdout;
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true });
  }
}

interface DeviceOptions {
  /** What it is told otherwise. */
  readonly at?: Partial<SoftHsm['place']>;
  /** Where it looks for programs, or a folder where it looks first. */
  readonly path?: string;
  readonly programs?: string;
}

/** The process that talks to a device. */
export class DeviceProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  errors = '';
  readonly #ended: Promise<unknown>;

  private constructor(hsm: SoftHsm, socket: string, { at, path, programs }: DeviceOptions) {
    const { PATH } = hsm.environment;
    const argv = deviceArguments({ ...hsm.place, ...at, socket });
    this.child = spawn(process.execPath, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...hsm.environment, PATH: path ?? (programs ? `${programs}:${PATH}` : PATH) },
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.#ended = once(this.child, 'close');
  }

  /** Gives it once it listens. */
  static async start(
    hsm: SoftHsm,
    socket: string,
    options: DeviceOptions = {},
  ): Promise<DeviceProcess> {
    const started = new DeviceProcess(hsm, socket, options);
    const ready = once(started.child.stdout as NodeJS.ReadableStream, 'data').then(() => true);
    if ((await Promise.race([ready, started.#ended.then(() => false)])) === true) return started;
    throw new Error(started.errors);
  }

  /** What the system says it was started with. */
  get startedWith(): string {
    const of = (file: string) => readFileSync(`/proc/${this.child.pid}/${file}`, 'latin1');
    return of('cmdline') + of('environ');
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
