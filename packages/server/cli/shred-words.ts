import type { ShredCertificate } from '@amanat/core/shred-certificate';
import { readShredCertificate } from '@amanat/core/shred-certificate';
import type { CertifiedEntry, InstanceAnswer } from '@amanat/core/verify';
import { claimedKeys, makeShredProof } from '@amanat/core/verify';
import type { Api } from './client.ts';
import { writePrivate } from './files.ts';
import { tilesOf } from './history-words.ts';

/**
 * Saves the proof of what an entry destroyed, for amanat verify-proof, and says what its certificate attests.
 * @throws CliError where there is no certificate, or the file is there already
 */
export async function saveShredProof(
  api: Api,
  index: number,
  path: string,
  now: number,
): Promise<readonly string[]> {
  const certified = await api.get<CertifiedEntry>(`/v1/certificates/${index}`);
  const instance = await api.get<InstanceAnswer>('/v1/instance');
  const checkpoint = (await api.bytes('/checkpoint')).toString('utf8');
  const keys = claimedKeys(instance, now);
  const proof = await makeShredProof({ certified, checkpoint, tiles: tilesOf(api), keys });
  writePrivate(path, proof, { replace: false });
  const certificate = readShredCertificate(certified.certificate);
  return [...describeCertificate(certificate), `Its proof is in ${path}.`];
}

/** What a certificate says, a line each. */
export function describeCertificate(certificate: ShredCertificate): readonly string[] {
  const { holding, month, index, generation, destroyed, backups } = certificate;
  const what =
    holding === null ? 'the key of a person’s records' : `the key of ${holding}, ${month}`;
  const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10);
  const kept = backups.map(({ id, time, keepUntil }) => {
    // It is the first moment at which the copy is no longer kept.
    const until =
      keepUntil === null ? 'nobody has said until when' : `until ${dayOf(keepUntil - 1)}`;
    return `  a backup of ${dayOf(time)} (${id.slice(0, 16)}), kept: ${until}`;
  });
  return [
    `Leaf ${index}: ${what} was destroyed on ${dayOf(destroyed)}, in the keeper’s database and its journal.`,
    ...(generation === null ? ['No key had been drawn.'] : []),
    ...(kept.length === 0
      ? ['No backup of the keeper is listed.']
      : [
          'Of the keeper these backups are listed, which may hold it still, unless they were destroyed on their day:',
          ...kept,
        ]),
  ];
}
