import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fromUtf8, utf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { RootShare } from '@amanat/core/keys';
import { parseShare, SHARE_TEXT_MAX, SHARES_MAX, splitShares } from '@amanat/core/keys';
import type {
  CeremonyRefusal,
  CeremonyStatus,
  DeviceCode,
  OrderSummary,
  RootSummary,
} from '@amanat/keeper/client';
import {
  CeremonyClient,
  KEEPER_FILES,
  KeeperRefused,
  KeeperUnavailable,
} from '@amanat/keeper/client';
import { makeSheet } from '../ceremony/sheet.ts';
import { instancePaths } from '../config/paths.ts';
import type { Call } from './command.ts';
import { CliError } from './errors.ts';
import { readInput, STANDARD_INPUT, writePrivate } from './files.ts';
import type { OptionSet } from './options.ts';

/** How often it is looked whether a keeper has done what takes time, and for how long at most. */
const LOOK_MS = 100;
const LOOKS_MAX = 36_000;
/** How often at most it is looked whether the log has taken an entry: it may take none for now. */
const ENTRY_LOOKS_MAX = 100;

/** Options of every command of a ceremony. */
export const CEREMONY_OPTIONS: OptionSet = {
  keeper: { value: 'FOLDER', help: 'the keeper’s folder (the instance’s own)' },
};

/** Options of those that make shares. */
export const SHARES_OPTIONS: OptionSet = {
  sheets: { value: 'FOLDER', help: 'a new folder for the sheets; nothing else has them' },
  threshold: { value: 'M', help: 'how many of the shares open (2)' },
  shares: { value: 'N', help: 'how many shares there are (3)' },
};

/** What a keeper's administrators and custodians ask of it, at its own machine. The gateway sees nothing of it. */
export class CeremonyTable implements AsyncDisposable {
  readonly #client: CeremonyClient;

  private constructor(client: CeremonyClient) {
    this.#client = client;
  }

  /** @throws CliError 'failed' where no keeper runs there, or it is not this user's */
  static async open(call: Pick<Call, 'arguments' | 'dir'>): Promise<CeremonyTable> {
    const folder = call.arguments.text('keeper') ?? instancePaths(call.dir).keeper;
    const table = new CeremonyTable(new CeremonyClient(join(folder, KEEPER_FILES.ceremony)));
    await table.status();
    return table;
  }

  async status(): Promise<CeremonyStatus> {
    return (await orCliError(this.#client.ask('status', {}))).answer;
  }

  /** Gives one share, as it was read. */
  async give(share: string) {
    const typed = utf8(share);
    try {
      return (await orCliError(this.#client.ask('share', {}, typed))).answer;
    } finally {
      typed.fill(0);
    }
  }

  /** Draws a root of shares; they are here, and nowhere else. */
  async drawShares(ask: {
    readonly threshold: number;
    readonly count: number;
    readonly rehearsal: boolean;
  }): Promise<{ readonly root: RootSummary; readonly shares: readonly RootShare[] }> {
    const drawing = this.#client.ask('draw', { provider: 'shares', ...ask });
    const { answer, attachment } = await orCliError(drawing);
    const shares = splitShares(fromUtf8(attachment)).map(parseShare);
    attachment.fill(0);
    return { root: answer.root, shares };
  }

  /** Draws a root under the last line of the keeper's passphrase file, or under the key in its device. */
  async draw(provider: 'passphrase' | 'pkcs11'): Promise<RootSummary> {
    const drawing = this.#client.ask('draw', { provider });
    return (await orCliError(drawing)).answer.root;
  }

  /** Has the root that is drawn take the present one's place. */
  async adopt(root: string): Promise<void> {
    await orCliError(this.#client.ask('adopt', { root }));
  }

  /**
   * Waits until the keeper says so of itself.
   * @throws CliError 'interrupted'; 'failed' where it does not within an hour
   */
  async waitUntil(isSo: (status: CeremonyStatus) => boolean, signal: AbortSignal): Promise<void> {
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      if (isSo(await this.status())) return;
      if (signal.aborted) throw new CliError('interrupted', 'stopped; the keeper goes on with it');
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    throw new CliError('failed', 'the keeper is not done within an hour; it goes on with it');
  }

  /**
   * Where the log says that the last order of a kind is carried out, once it does; null where it takes no entry for now:
   * the keeper says it until it does.
   */
  async entryOf(type: OrderSummary['type'], signal: AbortSignal): Promise<number | null> {
    for (let looks = 0; looks < ENTRY_LOOKS_MAX && !signal.aborted; looks++) {
      const { orders } = await this.status();
      const entry = orders?.findLast((order) => order.type === type)?.entered ?? null;
      if (entry !== null) return entry;
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}

/**
 * Writes each share's sheet into a new folder, as text and as a page, for its owner's eyes alone. Gives the texts' paths.
 * @throws CliError 'failed' where the folder has something in it
 */
export function writeSheets(
  folder: string,
  shares: readonly RootShare[],
  origin: string,
): readonly string[] {
  requireNewFolder(folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return shares.map((share) => {
    const { name, text, page } = makeSheet(share, origin);
    writePrivate(join(folder, `${name}.txt`), text, { replace: false });
    writePrivate(join(folder, `${name}.html`), page, { replace: false });
    return join(folder, `${name}.txt`);
  });
}

/** Before anything is drawn. @throws CliError 'failed' */
export function requireNewFolder(folder: string): void {
  if (!existsSync(folder) || readdirSync(folder).length === 0) return;
  throw new CliError('failed', `${folder} is not empty`, {
    remedy: 'name a new folder; a sheet is never overwritten',
  });
}

/**
 * The shares of sheets, one after another; where none is named, those typed on standard input.
 * @throws CliError
 */
export async function* readSheets(
  paths: readonly string[],
  stdin: Call['stdin'],
): AsyncGenerator<string, void, undefined> {
  for (const path of paths) yield await readInput(path, stdin, SHARE_TEXT_MAX);
  if (paths.length > 0) return;
  const typed = await readInput(STANDARD_INPUT, stdin, SHARE_TEXT_MAX * SHARES_MAX);
  const shares = splitShares(typed);
  if (shares.length === 0) throw new CliError('failed', 'no share was given');
  yield* shares;
}

/** Reads a share. @throws CliError 'refused', which names the line that is wrong, and nothing of it */
export function readShare(text: string): RootShare {
  try {
    return parseShare(text);
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    throw new CliError('refused', cause.message, { cause, reason: 'bad-share' });
  }
}

/** A root in words. */
export function describeRoot({ provider, shares, device, root }: RootSummary): string {
  const name = root.slice(0, 16);
  if (device !== null) return `${name}, in a device: token ${device.token}, key ${device.key}`;
  if (shares === null) return `${name}, under a passphrase`;
  const { threshold, commitments, given, ceremony } = shares;
  const so = given.length === 0 ? '' : `; given so far: ${given.join(', ')}`;
  return `${name}, ${provider}: any ${threshold} of ${commitments.length}, ceremony ${ceremony}${so}`;
}

/** In words, where the log says that an order is carried out. */
export function describeEntry(entry: number | null): string {
  return entry === null
    ? 'The log has yet to take the keeper’s word for it: it does by itself (amanat ceremony status).'
    : `The keeper says so in the log, leaf ${entry}.`;
}

/** What to do where a device does not serve, by its code. */
export const DEVICE_REMEDIES: Readonly<Record<DeviceCode, string>> = {
  'unknown-question': 'run keeper and device process of one version',
  'tool-missing': 'install OpenSC (pkcs11-tool) where the device’s process runs',
  'module-missing': 'name the vendor’s PKCS #11 module in config.json: device.module',
  'token-absent': 'connect the token of that label, one only: pkcs11-tool --module FILE -L',
  'pin-missing': 'put the PIN, one line, into the file that config.json names: device.pinFile',
  'wrong-pin':
    'the PIN is not tried again: mend its file, log in by hand once (pkcs11-tool --login -O), start the process again',
  'pin-tried':
    'somebody tried a wrong PIN: mend its file, then log in by hand once (pkcs11-tool --login -O), which ends the count',
  'pin-locked': 'the token’s security officer has to unlock the PIN',
  'key-missing': 'make the key, one of its id: see “In a device” in docs/operating.md',
  'key-extractable': 'make another key, in the device, sensitive and never extractable',
  'mechanism-missing': 'the key has to sign by SHA256-HMAC: make it a generic secret of 32 bytes',
  'device-silent': 'look at the device; it is asked again',
  'device-failed': 'look at what the device’s process says',
  'device-unreachable': 'have its process run: config.json’s device, or amanat device',
  'device-garbled': 'another program listens in its place',
  'another-key': 'connect the token that has this root’s key',
};

const REMEDIES: Readonly<
  Record<CeremonyRefusal | 'locked', string> & Partial<Record<KeeperRefused['code'], string>>
> = {
  'bad-share': 'look at that line of the sheet again',
  'another-ceremony':
    'this sheet is of an earlier ceremony, or of another keeper: take the present one',
  'wrong-share': 'have its custodian look at the sheet again; amanat ceremony check tells more',
  'too-many-attempts': 'start the keeper again',
  'not-entered': 'have both administrators sign first',
  'not-drawn': 'begin the ceremony again: its sheets are worth nothing',
  'shares-missing': 'give every sheet of the new root back: amanat ceremony adopt SHEET…',
  'no-passphrase': 'write the passphrase into its file again',
  'wrong-passphrase':
    'put the line back that was last in the file when the root was drawn, or draw another',
  busy: 'try again in a while',
  ...DEVICE_REMEDIES,
  locked:
    'unseal it first: amanat ceremony unseal; where its root is in a device, amanat ceremony status says why',
  'not-locked': 'the keeper is open',
};

async function orCliError<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (cause) {
    if (cause instanceof KeeperRefused) {
      const remedy = REMEDIES[cause.code];
      throw new CliError('refused', cause.message, {
        cause,
        reason: cause.code,
        ...(remedy === undefined ? {} : { remedy }),
      });
    }
    if (!(cause instanceof KeeperUnavailable)) throw cause;
    throw new CliError('failed', 'the keeper’s ceremony cannot be reached', {
      cause,
      reason: 'keeper-unavailable',
      remedy:
        'run this on the keeper’s machine, as the keeper’s user, while it runs (amanat serve, amanat keeper); --keeper ' +
        'names its folder; one at a time is served',
    });
  }
}
