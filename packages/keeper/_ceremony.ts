import { join } from 'node:path';
import { fromUtf8 } from '@amanat/core/bytes';
import { splitShares } from '@amanat/core/keys';
import { KeeperProcess } from './_process.ts';
import type { Trial } from './_trial.ts';
import { CeremonyClient } from './client.ts';

/** A keeper's process and the connection of those who look after it. */
export class CeremonyProcess implements AsyncDisposable {
  readonly trial: Trial;
  readonly keeper: KeeperProcess;
  readonly client: CeremonyClient;

  private constructor(trial: Trial, keeper: KeeperProcess) {
    this.trial = trial;
    this.keeper = keeper;
    this.client = new CeremonyClient(join(trial.dir, 'ceremony.sock'));
    trial.port = keeper.client;
  }

  /** Gives it once it serves, or waits for its custodians. */
  static async start(
    trial: Trial,
    options: { readonly limit?: number; readonly preload?: string } = {},
  ) {
    return new CeremonyProcess(trial, await KeeperProcess.start(trial, options));
  }

  status() {
    return this.client.ask('status', {});
  }

  async give(share: string) {
    return (await this.client.ask('share', {}, Buffer.from(share))).answer;
  }

  /** Draws a root of shares, and gives its id and the shares as they are printed. */
  async draw({ threshold = 2, count = 3, rehearsal = false } = {}) {
    const ask = { provider: 'shares', threshold, count, rehearsal } as const;
    const { answer, attachment } = await this.client.ask('draw', ask);
    const shares = splitShares(fromUtf8(attachment));
    return { root: answer.root.root, summary: answer.root, shares };
  }

  /** Enters what two administrators sign to have a root adopted. */
  async enter(
    root: string,
    shared: { threshold: number; shares: number } | null = { threshold: 2, shares: 3 },
    provider = shared === null ? 'passphrase' : 'shares',
  ) {
    const { trial } = this;
    await trial.appendPublic(
      trial.byAdministrators({
        type: 'root-rotation',
        root,
        provider,
        threshold: shared?.threshold ?? null,
        shares: shared?.shares ?? null,
        reason: 'a trial',
        time: trial.now,
      }),
    );
  }

  async enterGeneration(version: number) {
    const { trial } = this;
    const document = { type: 'generation-rotation', version, reason: 'a trial', time: trial.now };
    await trial.appendPublic(trial.byAdministrators(document));
  }

  async adopt(root: string) {
    return (await this.client.ask('adopt', { root })).answer.root;
  }

  /** All of it: draws a root, enters it, gives its shares back, has it adopted. Gives its shares. */
  async changeToShares(options: { threshold?: number; count?: number } = {}) {
    const { threshold = 2, count = 3 } = options;
    const { root, shares } = await this.draw({ threshold, count });
    await this.enter(root, { threshold, shares: count });
    for (const share of shares) await this.give(share);
    await this.adopt(root);
    return shares;
  }

  /** The same with a root in the device whose process listens in the keeper's folder. Gives its id. */
  async changeToDevice() {
    const { answer } = await this.client.ask('draw', { provider: 'pkcs11' });
    const { root } = answer.root;
    await this.enter(root, null, 'pkcs11');
    await this.adopt(root);
    return root;
  }

  async kill() {
    await this.keeper.kill();
    await this.client[Symbol.asyncDispose]();
  }

  async stop() {
    await this.client[Symbol.asyncDispose]();
    return this.keeper.stop();
  }

  async [Symbol.asyncDispose]() {
    await this.kill();
  }
}
