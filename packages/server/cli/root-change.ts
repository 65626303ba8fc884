import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { base64 } from '@amanat/core/bytes';
import { writeDocument } from '@amanat/core/grants';
import { SHARES_MAX } from '@amanat/core/keys';
import type { DrawnRoot, RootSummary } from '@amanat/keeper/client';
import { drawShares, Shares } from '@amanat/keeper/client';
import { readConfig } from '../config/config.ts';
import type { CeremonyTable } from './ceremony.ts';
import {
  describeEntry,
  describeRoot,
  readSheets,
  requireNewFolder,
  writeSheets,
} from './ceremony.ts';
import type { Call, Outcome } from './command.ts';
import { CliError, wrongUsage } from './errors.ts';
import { readText, writePrivate } from './files.ts';
import { signByAdministrators } from './signing.ts';

const PASSPHRASE_BYTES = 32;

/**
 * Draws a root of shares, writes its sheets, has it signed and entered, and adopted with each sheet read back. With one
 * administrator's key it ends at the half-signed file. @throws CliError
 */
export async function changeToShares(call: Call, table: CeremonyTable): Promise<Outcome> {
  const { folder, threshold, count } = sharesOf(call);
  const { origin } = readConfig(call.dir);
  requireNewFolder(folder);
  const { root, shares } = await table.drawShares({ threshold, count, rehearsal: false });
  const sheets = writeSheets(folder, shares, origin);
  for (const { value } of shares) value.fill(0);
  const outcome = await enter(call, root, { threshold, shares: count });
  const isEntered = outcome.json?.submitted === true;
  const entry = isEntered ? (await adopt(call, table, sheets)).entry : null;
  return {
    json: { ...outcome.json, adopted: isEntered, entry, root: root.root, sheets },
    lines: [
      ...outcome.lines,
      `${count} sheets are in ${folder}, each as a text and as a page to print.`,
      ...(isEntered
        ? [
            `The root is adopted. From the next start on the keeper waits for ${threshold} of them.`,
            describeEntry(entry),
          ]
        : [
            `Once it is entered, give every sheet back: amanat ceremony adopt ${folder}/share-*.txt`,
          ]),
      'Print them, give each to its custodian, have each checked (amanat ceremony check), and shred the files.',
    ],
  };
}

/** The whole of it with a throw-away key, which is put together again from the sheets. @throws CliError */
export async function rehearse(call: Call, table: CeremonyTable): Promise<Outcome> {
  const { folder, threshold, count } = sharesOf(call);
  const { origin } = readConfig(call.dir);
  requireNewFolder(folder);
  const { root, shares } = await table.drawShares({ threshold, count, rehearsal: true });
  const sheets = writeSheets(folder, shares, origin);
  // The last of them: the first are no more than any others.
  let isTogether = false;
  for await (const share of readSheets(sheets.slice(-threshold), call.stdin)) {
    isTogether = (await table.give(share)).isEnough;
  }
  return {
    json: { rehearsal: true, root: root.root, sheets, isTogether },
    lines: [
      `${count} sheets of a throw-away key are in ${folder}; the last ${threshold} ${isTogether ? 'put it' : 'do not put it'} together.`,
      'Nothing is changed. Print them, have them typed and checked, as in earnest.',
    ],
    ok: isTogether,
  };
}

/** Draws a root under a new passphrase, which waits in the file beside the present one until it is adopted. @throws CliError */
export async function changeToPassphrase(
  call: Call,
  table: CeremonyTable,
  path: string,
): Promise<Outcome> {
  const lines = existsSync(path) ? linesOf(await readText(path)) : [];
  // Two: an earlier change did not come to its end, and the last is as new as any.
  if (lines.length < 2) {
    lines.push(base64(randomBytes(PASSPHRASE_BYTES)));
    writePrivate(path, `${lines.join('\n')}\n`, { replace: true });
  }
  const root = await table.draw('passphrase');
  const outcome = await enter(call, root, null);
  if (outcome.json?.submitted !== true) return outcome;
  const { entry } = await adopt(call, table, []);
  await keepLastPassphrase(path);
  return {
    json: { ...outcome.json, adopted: true, entry, root: root.root },
    lines: [
      ...outcome.lines,
      'The root is adopted, under a new passphrase. Keep the one before with the backups of before: they open with no other.',
      describeEntry(entry),
    ],
  };
}

/** Draws a root under the key in the keeper's device. There is nothing to keep but the device and its PIN. @throws CliError */
export async function changeToDevice(call: Call, table: CeremonyTable): Promise<Outcome> {
  const root = await table.draw('pkcs11');
  const outcome = await enter(call, root, null);
  if (outcome.json?.submitted !== true) return outcome;
  const { entry } = await adopt(call, table, []);
  return {
    json: { ...outcome.json, adopted: true, entry, root: root.root, device: root.device },
    lines: [...outcome.lines, `The root is adopted: ${describeRoot(root)}.`, describeEntry(entry)],
  };
}

/** Gives back what has to be given back, has the drawn root adopted, and waits for the entry that says so. @throws CliError */
export async function adopt(
  call: Pick<Call, 'stdin' | 'signal'>,
  table: CeremonyTable,
  sheets: readonly string[],
): Promise<{ readonly root: RootSummary; readonly entry: number | null }> {
  const { drawn } = await table.status();
  if (drawn === null) {
    throw new CliError('refused', 'no root is drawn', {
      reason: 'not-drawn',
      remedy: 'begin with amanat ceremony init or rotate',
    });
  }
  if (drawn.shares !== null) {
    for await (const share of readSheets(sheets, call.stdin)) {
      if ((await table.give(share)).of === 'drawn') continue;
      throw new CliError('refused', 'the share is not of the root that is drawn', {
        reason: 'another-ceremony',
      });
    }
  }
  await table.adopt(drawn.root);
  return { root: drawn, entry: await table.entryOf('root-rotation', call.signal) };
}

/** The passphrase before the last opens nothing any more. */
export async function keepLastPassphrase(path: string): Promise<void> {
  const lines = linesOf(await readText(path));
  if (lines.length > 1) writePrivate(path, `${lines.at(-1)}\n`, { replace: true });
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function enter(
  call: Call,
  { root, provider }: RootSummary,
  shared: { readonly threshold: number; readonly shares: number } | null,
): Promise<Outcome> {
  return signByAdministrators(call, 'root-rotation', null, async () =>
    writeDocument<'root-rotation'>({
      type: 'root-rotation',
      root,
      provider,
      threshold: shared?.threshold ?? null,
      shares: shared?.shares ?? null,
      reason: call.arguments.required('reason'),
      time: call.now(),
    }),
  );
}

/** Draws a root of shares and writes its sheets, of which it is then put together: each has been read back. @throws CliError */
export async function drawFromSheets({
  folder,
  threshold,
  count,
  origin,
}: Custodians & { readonly origin: string }): Promise<
  DrawnRoot & { readonly sheets: readonly string[] }
> {
  const { place, shares } = drawShares({ threshold, count, isRehearsal: false });
  const sheets = writeSheets(folder, shares, origin);
  for (const { value } of shares) value.fill(0);
  const given = new Shares(place);
  for (const sheet of sheets) given.give(await readText(sheet));
  return { place, root: given.combine(), sheets };
}

/** Among how many custodians, and where their sheets go. */
export interface Custodians {
  readonly folder: string;
  readonly threshold: number;
  readonly count: number;
}

/** @throws CliError 'wrong-usage' */
export function sharesOf(call: Call): Custodians {
  const count = call.arguments.integer('shares', { min: 2, max: SHARES_MAX, otherwise: 3 });
  const threshold = call.arguments.integer('threshold', { min: 2, max: SHARES_MAX, otherwise: 2 });
  if (threshold > count) throw wrongUsage('--threshold is no more than --shares');
  return { folder: call.arguments.required('sheets'), threshold, count };
}
