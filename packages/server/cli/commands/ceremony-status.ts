import type { OrderSummary } from '@amanat/keeper/client';
import { CEREMONY_OPTIONS, CeremonyTable, DEVICE_REMEDIES, describeRoot } from '../ceremony.ts';
import type { Command } from '../command.ts';

/** `amanat ceremony status`: what the keeper's root is, and what a ceremony waits for. */
export const ceremonyStatus: Command = {
  usage: '[--keeper FOLDER]',
  about:
    'Says whether the keeper is locked, where the key of its root is to be had, and what is drawn and not adopted yet; and ' +
    'of what two administrators ordered, whether it is carried out, and where the log says so.',
  example: 'amanat ceremony status',
  options: CEREMONY_OPTIONS,
  words: [0, 0],
  async run(call) {
    await using table = await CeremonyTable.open(call);
    const status = await table.status();
    const { isLocked, present, drawn, awaited, generations, orders } = status;
    return {
      json: { ...status },
      lines: [
        isLocked ? 'The keeper is locked.' : 'The keeper is open.',
        `Root: ${describeRoot(present)}`,
        ...(awaited === null ? [] : [`Its device: ${awaited}; ${DEVICE_REMEDIES[awaited]}.`]),
        ...(drawn === null ? [] : [`Drawn, not adopted: ${describeRoot(drawn)}`]),
        ...(generations === null
          ? []
          : [
              `Generation ${generations.present}${generations.isRotating ? '; the one before is still being left' : ''}`,
            ]),
        ...(orders ?? []).map(describeOrder),
      ],
    };
  },
};

function describeOrder({ type, index, isCarriedOut, entered }: OrderSummary): string {
  const ordered = `Ordered in leaf ${index} (${type})`;
  if (entered === null) {
    return `${ordered}: ${isCarriedOut ? 'carried out; its entry is to come' : 'not carried out'}.`;
  }
  // A keeper that was put back from an old copy.
  if (!isCarriedOut) return `${ordered}: carried out by leaf ${entered}, but not in this keeper.`;
  return `${ordered}: carried out, leaf ${entered}.`;
}
