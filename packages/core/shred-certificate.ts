import { utf8 } from './bytes.ts';
import { canonicalText, parseCanonicalBytes } from './canonical.ts';
import { CoreError } from './errors.ts';
import type { Read } from './shape.ts';
import { hexText, integer, list, nullable, object, oneOf, slug, text, time } from './shape.ts';

/** Backups that one certificate names: ten years of a backup every four days. */
export const BACKUPS_MAX = 1000;

/** A copy of the keeper's database, by whoever made it. */
const keeperBackup = object({
  /** SHA-256 of the backup's manifest. */
  id: hexText(32),
  /** When it was made. */
  time,
  /** Until when it is to be kept, by whoever made it; null: nobody has said. Whether it was destroyed then is not said. */
  keepUntil: nullable(time),
});

/**
 * The keeper's word that it has destroyed a key: overwritten in its database, and in the database's journal. It attests
 * the procedure and names the keeper's own backups that it was told of; of copies that nobody told of it knows nothing.
 */
const shredCertificate = object({
  type: oneOf('shred-certificate'),
  /** person: a subject's key; whose, the certificate does not say · period: that of a holding's month. */
  kind: oneOf('person', 'period'),
  /** null of a person. */
  holding: nullable(slug),
  /** `YYYY-MM`; null of a person. */
  month: nullable(text(7, /^\d{4}-\d{2}$/, 'a month')),
  /** The entry by which it was destroyed: its place in the log, and its leaf's hash. */
  index: integer(0),
  leaf: hexText(32),
  /** The generation that wrapped the key when it was destroyed; a backup may have it under an older one. Null: no key was drawn. */
  generation: nullable(integer(1)),
  /** When the keeper took the entry in, and when it signed this. */
  destroyed: time,
  time,
  backups: list(keeperBackup, 0, BACKUPS_MAX),
});

export type ShredCertificate = Read<typeof shredCertificate>;
export type KeeperBackup = Read<typeof keeperBackup>;

/** Reads one backup as the keeper was told of it. @throws CoreError 'bad-document' */
export const readKeeperBackup = keeperBackup;

/** Reads a certificate's text strictly. @throws CoreError 'bad-document' or 'bad-encoding' */
export function readShredCertificate(document: string): ShredCertificate {
  const found = shredCertificate(parseCanonicalBytes(utf8(document)), '');
  const isPeriod = found.kind === 'period';
  if ((found.holding !== null) !== isPeriod || (found.month !== null) !== isPeriod) {
    throw new CoreError('bad-document', 'holding, month: expected of a period and of nothing else');
  }
  return found;
}

/** The text that the keeper signs, after the same checks that reading it makes. @throws CoreError 'bad-document' */
export function writeShredCertificate(certificate: ShredCertificate): string {
  const written = canonicalText({ ...certificate });
  readShredCertificate(written);
  return written;
}
