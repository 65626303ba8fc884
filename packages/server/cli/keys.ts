import { statSync } from 'node:fs';
import { base64 } from '@amanat/core/bytes';
import type { Signed } from '@amanat/core/grants';
import { signingInput } from '@amanat/core/grants';
import type { PublicKey, SigningKey } from '@amanat/core/keys';
import { importSigningKey, parsePublicKey, sign } from '@amanat/core/keys';
import { CliError } from './errors.ts';
import { readText } from './files.ts';

const KEY_BYTES_MAX = 4096;

/** What a key's owner hands to the administrators: the public half, and who it is to be. */
export interface Enrolment {
  readonly type: 'enrolment';
  readonly key: string;
  readonly role: EnrolmentRole;
  readonly person: string | null;
  readonly agency: string | null;
  readonly line: string | null;
}

export const ENROLMENT_ROLES = [
  'officer',
  'approver',
  'importer',
  'administrator',
  'registrar',
] as const;
export type EnrolmentRole = (typeof ENROLMENT_ROLES)[number];

/**
 * Reads a private key file. One that others may read is refused: whoever read it can sign in its owner's name.
 * @throws CliError 'failed'
 */
export async function readSigningKey(path: string): Promise<SigningKey> {
  const pem = await readText(path, KEY_BYTES_MAX);
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new CliError('failed', `${path} can be read by others`, { remedy: `chmod 600 ${path}` });
  }
  try {
    return importSigningKey(pem);
  } catch (cause) {
    throw new CliError('failed', `${path} is no ed25519 or p256 private key`, { cause });
  }
}

/**
 * Reads an enrolment request.
 * @throws CliError 'failed' where the file is none
 */
export async function readEnrolment(path: string): Promise<Enrolment & { parsed: PublicKey }> {
  const text = await readText(path, KEY_BYTES_MAX);
  if (text.includes('PRIVATE KEY')) {
    throw new CliError('failed', `${path} is a private key, which nobody else is ever given`, {
      remedy: 'give the enrolment request beside it, the file that ends in .request.json',
    });
  }
  try {
    const source = JSON.parse(text) as Enrolment;
    const role = ENROLMENT_ROLES.find((each) => each === source.role);
    if (source.type !== 'enrolment' || role === undefined) throw new Error('not an enrolment');
    const parsed = parsePublicKey(source.key);
    const { key, person, agency, line } = source;
    return { type: 'enrolment', key, role, person, agency, line, parsed };
  } catch (cause) {
    throw new CliError('failed', `${path} is no enrolment request`, {
      cause,
      remedy: 'make one with amanat keygen',
    });
  }
}

/** One signature over a document, as the API takes it. */
export function signDocument(key: SigningKey, document: string): Signed['signatures'][number] {
  return { key: key.public.id, signature: base64(sign(key, signingInput(document))) };
}
