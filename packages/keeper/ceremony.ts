import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import { formatShare, SHARE_TEXT_MAX, SHARES_MAX } from '@amanat/core/keys';
import { boolean, hexText, integer, object, oneOf } from '@amanat/core/shape';
import type { CeremonyStatus, RootSummary } from './ceremony-protocol.ts';
import type { Keeper, KeeperQuestion } from './keeper.ts';
import type { Argon2Cost } from './providers/passphrase.ts';
import { drawUnderPassphrase, passphraseProvider } from './providers/passphrase.ts';
import type { Device, DeviceCode } from './providers/pkcs11.ts';
import { DeviceError, drawInDevice, unlockInDevice } from './providers/pkcs11.ts';
import type { DevicePlace, Root, RootPlace, RootProvider, SharesPlace } from './providers/root.ts';
import { RootError, rootId } from './providers/root.ts';
import { drawShares, Shares } from './providers/shares.ts';
import { Refusal } from './refusal.ts';
import type { Answer } from './socket.ts';

const drawAsks = {
  shares: object({
    provider: oneOf('shares'),
    threshold: integer(2, SHARES_MAX),
    count: integer(2, SHARES_MAX),
    rehearsal: boolean,
  }),
  passphrase: object({ provider: oneOf('passphrase') }),
  pkcs11: object({ provider: oneOf('pkcs11') }),
};

/** How often a locked keeper looks for its device. */
const DEVICE_LOOK_MS_MIN = 50;
const DEVICE_LOOK_MS_MAX = 1_000;

/** Readers of what each message of a ceremony holds. */
export const ceremonyReaders = {
  status: object({}),
  share: object({}),
  draw: (value: JsonObject, _path: string) =>
    drawAsks[oneOf('shares', 'passphrase', 'pkcs11')(value?.provider, 'provider')](value, ''),
  adopt: object({ root: hexText(32) }),
};

/** Shares that are being given, of a place. */
interface Giving {
  readonly place: SharesPlace;
  readonly shares: Shares;
}

/**
 * Where a root comes from and changes: it unlocks the present one, with its custodians' shares or its device, draws
 * others, and has the keeper adopt one that two administrators have entered in the log.
 */
export class Ceremony implements RootProvider {
  readonly #readPassphrase: () => Buffer;
  readonly #cost: Argon2Cost | undefined;
  readonly #device: Device;
  readonly #waiting = Promise.withResolvers<void>();
  #keeper: Keeper | null = null;
  #unlocking: (Giving & { readonly done: (root: Root) => void }) | null = null;
  #adopting: Giving | null = null;
  #rehearsal: Giving | null = null;
  /** Why a locked keeper's device does not open it, so far. */
  #awaited: { readonly place: DevicePlace; readonly device: DeviceCode } | null = null;

  /**
   * @param options.readPassphrase its file, which this wipes; throws where there is none
   * @param options.device where the process is that talks to a device; there need be none for other roots
   * @param options.cost less than the default only where the passphrase protects nothing, as in tests
   */
  constructor(options: {
    readonly readPassphrase: () => Buffer;
    readonly device: Device;
    readonly cost?: Argon2Cost;
  }) {
    this.#readPassphrase = options.readPassphrase;
    this.#device = options.device;
    this.#cost = options.cost;
  }

  /** Unlocks the present root; of shares, once enough of them were given; in a device, once that is there. */
  async unlock(place: RootPlace): Promise<Root> {
    switch (place.provider) {
      case 'passphrase':
        return passphraseProvider(this.#readPassphrase).unlock(place);
      case 'shares': {
        const { promise, resolve } = Promise.withResolvers<Root>();
        this.#unlocking = { place, shares: new Shares(place), done: resolve };
        this.#waiting.resolve();
        return promise;
      }
      case 'pkcs11':
        return this.#awaitDevice(place);
    }
  }

  /** Looks for the device until it has the root's key, for as long as the keeper lives: a machine may start before it. */
  async #awaitDevice(place: DevicePlace): Promise<Root> {
    for (let wait = DEVICE_LOOK_MS_MIN; ; wait = Math.min(2 * wait, DEVICE_LOOK_MS_MAX)) {
      try {
        const root = await unlockInDevice(this.#device, place);
        this.#awaited = null;
        return root;
      } catch (error) {
        if (!(error instanceof DeviceError)) throw error;
        this.#awaited = { place, device: error.code };
        // Its process may have been started together with the keeper, and listen in a moment.
        const isLate = wait === DEVICE_LOOK_MS_MAX;
        if (error.code !== 'device-unreachable' || isLate) this.#waiting.resolve();
      }
      await sleep(wait);
    }
  }

  /** Once it waits for custodians or for a device; else never. */
  get isWaiting(): Promise<void> {
    return this.#waiting.promise;
  }

  /** The keeper is open. */
  open(keeper: Keeper): void {
    this.#keeper = keeper;
  }

  greet(): void {}

  /** Answers messages one after another. */
  async answerTogether(
    questions: readonly KeeperQuestion[],
  ): Promise<readonly (Answer | Refusal)[]> {
    const answers: (Answer | Refusal)[] = [];
    for (const question of questions) {
      answers.push(await this.#answer(question).catch(refusalOrThrow));
      question.attachment.fill(0);
    }
    return answers;
  }

  async #answer({ name, body, attachment }: KeeperQuestion): Promise<Answer> {
    switch (name) {
      case 'status':
        ceremonyReaders.status(body, '');
        return { answer: this.#status() };
      case 'share':
        ceremonyReaders.share(body, '');
        return { answer: this.#give(attachment) };
      case 'draw': {
        const ask = ceremonyReaders.draw(body, '');
        if (ask.provider === 'shares') return this.#drawShares(ask);
        return await this.#draw(ask.provider);
      }
      case 'adopt':
        return { answer: { root: await this.#adopt(ceremonyReaders.adopt(body, '').root) } };
      default:
        throw new Refusal('unknown-message', 'no ceremony has such a message');
    }
  }

  #give(attachment: Buffer) {
    if (attachment.length > SHARE_TEXT_MAX) throw new Refusal('bad-share', 'share is too long');
    const typed = attachment.toString('utf8');
    const { of, giving } = this.#meant(typed);
    giving.shares.give(typed);
    const { given } = giving.shares;
    if (of === 'drawn') return { of, given, isEnough: giving.shares.isAll };
    if (!giving.shares.isEnough) return { of, given, isEnough: false };
    const root = giving.shares.combine();
    if (of === 'rehearsal') this.#rehearsal = null;
    else {
      this.#unlocking?.done(root);
      this.#unlocking = null;
    }
    return { of, given: [], isEnough: true };
  }

  /** Whose share it says it is. What it says is only believed once it was checked. */
  #meant(typed: string): {
    readonly of: 'present' | 'drawn' | 'rehearsal';
    readonly giving: Giving;
  } {
    const ceremony = Shares.ceremonyOf(typed);
    const drawn = this.#drawn();
    if (drawn !== null && ceremony === drawn.place.ceremony) return { of: 'drawn', giving: drawn };
    if (ceremony === this.#rehearsal?.place.ceremony) {
      return { of: 'rehearsal', giving: this.#rehearsal };
    }
    if (this.#unlocking === null)
      throw new Refusal('not-locked', 'the keeper waits for no such share');
    return { of: 'present', giving: this.#unlocking };
  }

  /** The shares of the root that is drawn, as far as they were given back. */
  #drawn(): Giving | null {
    const place = this.#keeper?.roots.drawn ?? null;
    if (place?.provider !== 'shares') return null;
    if (this.#adopting?.place.ceremony !== place.ceremony) {
      this.#adopting?.shares.forget();
      this.#adopting = { place, shares: new Shares(place) };
    }
    return this.#adopting;
  }

  #drawShares(ask: {
    readonly threshold: number;
    readonly count: number;
    readonly rehearsal: boolean;
  }): Answer {
    const keeper = this.#opened();
    const { threshold, count, rehearsal: isRehearsal } = ask;
    if (threshold > count) throw new Refusal('malformed', 'threshold: expected no more than count');
    const { place, shares } = drawShares({ threshold, count, isRehearsal });
    if (isRehearsal) this.#rehearsal = { place, shares: new Shares(place) };
    else keeper.drawRoot(place);
    const attachment = Buffer.from(shares.map(formatShare).join(''));
    for (const { value } of shares) value.fill(0);
    return { answer: { root: summaryOf(place, []) }, attachment };
  }

  async #draw(provider: 'passphrase' | 'pkcs11'): Promise<Answer> {
    const keeper = this.#opened();
    const { place } =
      provider === 'pkcs11'
        ? await drawInDevice(this.#device)
        : drawUnderPassphrase(this.#passphrase(), this.#cost);
    keeper.drawRoot(place);
    return { answer: { root: summaryOf(place, []) } };
  }

  async #adopt(id: string): Promise<RootSummary> {
    const keeper = this.#opened();
    const place = keeper.roots.drawn;
    if (place === null || rootId(place) !== id) {
      throw new Refusal('not-drawn', 'no such root is drawn: another was since, or none');
    }
    keeper.requireRotationEntered(place);
    await keeper.adoptRoot(place, await this.#unlockDrawn(place));
    return summaryOf(place, []);
  }

  async #unlockDrawn(place: RootPlace): Promise<Root> {
    if (place.provider === 'passphrase') {
      const file = this.#passphrase();
      try {
        return await passphraseProvider(() => file).unlock(place);
      } catch (cause) {
        if (!(cause instanceof RootError)) throw cause;
        throw new Refusal('wrong-passphrase', cause.message, { cause });
      }
    }
    if (place.provider === 'pkcs11') return unlockInDevice(this.#device, place);
    const drawn = this.#drawn();
    if (drawn?.shares.isAll !== true) {
      throw new Refusal('shares-missing', 'not every share of the new root was given back');
    }
    return drawn.shares.combine();
  }

  #passphrase(): Buffer {
    try {
      return this.#readPassphrase();
    } catch (cause) {
      throw new Refusal('no-passphrase', 'the passphrase’s file cannot be read', { cause });
    }
  }

  #opened(): Keeper {
    if (this.#keeper === null) throw new Refusal('locked', 'the keeper is locked');
    return this.#keeper;
  }

  #status(): CeremonyStatus {
    const keeper = this.#keeper;
    const present = keeper?.roots.present ?? this.#unlocking?.place ?? this.#awaited?.place;
    if (present === undefined) throw new Refusal('locked', 'the keeper is opening');
    const drawn = keeper?.roots.drawn ?? null;
    const rehearsal = this.#rehearsal;
    return {
      isLocked: keeper === null,
      present: summaryOf(present, this.#unlocking?.shares.given ?? []),
      drawn: drawn === null ? null : summaryOf(drawn, this.#drawn()?.shares.given ?? []),
      rehearsal: rehearsal === null ? null : summaryOf(rehearsal.place, rehearsal.shares.given),
      awaited: this.#awaited?.device ?? null,
      generations: keeper?.generations ?? null,
      orders: keeper?.orders ?? null,
    };
  }
}

function summaryOf(place: RootPlace, given: readonly number[]): RootSummary {
  const { provider } = place;
  const root = rootId(place);
  const shares = provider !== 'shares' ? null : sharesOf(place, given);
  const device = provider !== 'pkcs11' ? null : { token: place.token, key: place.key };
  return { root, provider, shares, device };
}

function sharesOf({ ceremony, threshold, commitments }: SharesPlace, given: readonly number[]) {
  return { ceremony, threshold, commitments, given };
}

function refusalOrThrow(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof CoreError) return new Refusal('malformed', error.message, { cause: error });
  if (error instanceof DeviceError) return new Refusal(error.code, error.message, { cause: error });
  if (error instanceof RootError)
    return new Refusal('no-passphrase', error.message, { cause: error });
  throw error;
}
