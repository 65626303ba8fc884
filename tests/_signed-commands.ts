import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportSigningKey } from '@amanat/core/keys';
import type { Ran } from './_cli.ts';
import { amanat } from './_cli.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';
import type { Answer } from './_served.ts';
import { Served } from './_served.ts';

const ADMINISTRATORS = ['administrator-1', 'administrator-2'] as const;
/** How a command is told of both administrators' keys. */
export const BOTH = ADMINISTRATORS.flatMap((name) => ['--as', `${name}.pem`]);

/** An instance with some people's records, served by real processes, whose administrators sign by the command line. */
export class Commanded implements AsyncDisposable {
  readonly instance: Instance;
  readonly served: Served;

  private constructor(instance: Instance) {
    this.instance = instance;
    this.served = new Served(instance);
  }

  static async start(): Promise<Commanded> {
    const instance = await Instance.create();
    const commanded = new Commanded(instance);
    try {
      await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([1, 2, 3, 4]));
      await instance.stopGateway();
      await instance.stopKeeper();
      for (const name of ADMINISTRATORS) {
        const pem = exportSigningKey(instance.key(name));
        writeFileSync(join(instance.dir, `${name}.pem`), pem, { mode: 0o600 });
      }
      await commanded.served.start();
      return commanded;
    } catch (error) {
      await commanded[Symbol.asyncDispose]();
      throw error;
    }
  }

  run(words: readonly string[], input = ''): Promise<Ran> {
    const { dir } = this.instance;
    return amanat([...words, '--dir', dir], { cwd: dir, input });
  }

  /** Runs a command that must end well, and gives what it says as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: what a command prints is looked into by tests that know its form.
  async ok(words: readonly string[], input = ''): Promise<any> {
    const ran = await this.run([...words, '--json'], input);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    return JSON.parse(ran.stdout);
  }

  /** An officer asks about one person. */
  ask(serial = 1): Promise<Answer> {
    const request = this.instance.request('officer', [cnicOf(serial)]);
    return this.served.post('/v1/requests', { ...request, approval: null });
  }

  /** One read that must come back with the record. */
  async read(serial = 1): Promise<void> {
    const answer = await this.ask(serial);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.results[0].records.length, 1, answer.text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.served[Symbol.asyncDispose]();
    await this.instance[Symbol.asyncDispose]();
  }
}
