import type { EntryRefusal } from '@amanat/core/grants';
import type { Meaning } from '../http/problem.ts';

/** Why custody refuses what it was asked. Closed, so that a `switch` on `code` is complete. */
export type CustodyErrorCode =
  | EntryRefusal
  | 'bad-file'
  | 'bad-token'
  | 'bad-upload'
  | 'clock-ahead'
  | 'commitment-differs'
  | 'declaration-changed'
  | 'different-file'
  | 'import-refused'
  | 'keeper-refused'
  | 'keeper-unavailable'
  | 'mapping-differs'
  | 'overtaken'
  | 'replayed'
  | 'row-limit'
  | 'stale'
  | 'store-damaged'
  | 'too-many-uploads'
  | 'upload-running';

/**
 * What custody throws. `code` is for programs; the message is lower-case, says what was wrong, and never
 * holds any part of a record.
 */
export class CustodyError extends Error {
  override name = 'CustodyError';
  readonly code: CustodyErrorCode;

  constructor(
    code: CustodyErrorCode,
    message: string = meanings[code].title,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
  }
}

const entry = (title: string, remedy: string): Meaning => ({ status: 422, title, remedy });
const conflict = (title: string, remedy: string): Meaning => ({ status: 409, title, remedy });

/** What each code means over HTTP, and what whoever meets it can do. */
export const meanings: Readonly<Record<CustodyErrorCode, Meaning>> = {
  malformed: {
    status: 400,
    title: 'the announcement is not in its form',
    remedy:
      'send the signed import-begun document, its salt, the mapping, the encoding and the sheet',
  },
  'no-genesis': entry('this instance has no genesis entry', 'run init first'),
  'second-genesis': entry('an import begins with an import-begun document', 'send that'),
  'not-two-administrators': entry('an import begins with an import-begun document', 'send that'),
  'not-the-importer': entry(
    "the key is no importer's of the holding's controller, or the signature is not over this document",
    'sign with the key of an importer that is enrolled for this controller and in force',
  ),
  'not-the-keeper': entry('an import begins with an import-begun document', 'send that'),
  'unsigned-expected': entry('an import begins with an import-begun document', 'send that'),
  'version-not-next': entry('an import begins with an import-begun document', 'send that'),
  'key-taken': entry('an import begins with an import-begun document', 'send that'),
  'undeclared-holding': entry(
    'no declaration of this holding is in force',
    'declare the holding, and wait until the declaration is in force',
  ),
  'unknown-agency': entry('an import begins with an import-begun document', 'send that'),
  'signed-long-ago': entry('an import begins with an import-begun document', 'send that'),
  'unknown-order': entry('an import begins with an import-begun document', 'send that'),
  'unknown-import': {
    status: 404,
    title: 'there is no such import',
    remedy: 'begin the import with POST /v1/imports',
  },
  'unknown-key': entry('the signing key is not enrolled', 'enrol the importer first'),
  'not-the-log': entry('an import begins with an import-begun document', 'send that'),
  'not-due': entry('an import begins with an import-begun document', 'send that'),
  'already-expired': entry('an import begins with an import-begun document', 'send that'),
  'not-of-today': entry('an import begins with an import-begun document', 'send that'),
  'no-break-glass': entry('an import begins with an import-begun document', 'send that'),
  'primary-changed': entry('an import begins with an import-begun document', 'send that'),
  'bad-token': {
    status: 401,
    title: "the upload token is not this import's latest",
    remedy: 'begin the import again with the same file to be given a new token',
  },
  'bad-file': entry(
    'a file does not fit the declaration',
    'mend the file or the mapping as the detail says, and begin again',
  ),
  'bad-upload': entry(
    'the upload is not a stream of files',
    'send it again as application/vnd.amanat.files, to its end',
  ),
  'clock-ahead': entry(
    "the announcement's time lies in the future",
    "set the clock of the importer's machine and sign again",
  ),
  'commitment-differs': entry(
    'the bytes that were sent are not those that the importer signed for; nothing of them is kept',
    'begin a new import, and send the very file that the announcement was made from',
  ),
  'declaration-changed': conflict(
    'the holding was declared anew since this import began; nothing of it is kept',
    'begin a new import under the declaration that is now in force',
  ),
  'different-file': conflict(
    'the rows already taken are not the first rows of this upload; nothing more was taken',
    'send the same file as before to go on, or begin a new import for another file',
  ),
  'import-refused': conflict('this import was refused and cannot go on', 'begin a new import'),
  'keeper-refused': {
    status: 503,
    title: 'the keeper refused to draw keys',
    remedy: "see the keeper's state in the instance's health, then send the same file again",
  },
  'keeper-unavailable': {
    status: 503,
    title: 'the keeper cannot be reached; what was taken is kept',
    remedy: 'begin again with the same file once the keeper is back: it goes on where it stopped',
  },
  'mapping-differs': conflict(
    'the import began with another mapping, encoding or sheet, and rows were taken under it',
    'send the mapping, encoding and sheet that it began with, or sign a new announcement with a new salt',
  ),
  overtaken: conflict(
    'a later import of this holding has ended; nothing of this one is kept',
    'begin a new import of this file, if it is still the newer one',
  ),
  replayed: conflict('this announcement was sent before', 'sign a new announcement'),
  'row-limit': entry(
    'the upload has more rows than its announcement allows; nothing of it is kept',
    'begin a new import whose row limit is at least the number of rows in the file',
  ),
  stale: entry(
    'the announcement was signed too long ago',
    "sign it again; if it was signed just now, set the clock of the importer's machine",
  ),
  'store-damaged': {
    status: 500,
    title: 'the store does not hold together',
    remedy: 'run verify, and restore the store from its backup',
  },
  'too-many-uploads': {
    status: 503,
    title: 'as many uploads run as this instance takes at a time',
    remedy: 'send this one again when another has ended',
  },
  'upload-running': conflict(
    'an upload to this holding is running',
    'wait until it has ended; GET /v1/imports/:import shows how far it is',
  ),
};

/** What it means to an importer that the log or the store cannot be written. */
export const unavailable = {
  busy: {
    status: 503,
    title: 'more is being entered than is taken at a time; what was taken is kept',
    remedy: 'begin again with the same file in a moment: it goes on where it stopped',
  },
  'log-unavailable': {
    status: 503,
    title: 'the log takes no entries just now; what was taken is kept',
    remedy: 'begin again with the same file once health is well: it goes on where it stopped',
  },
  'keeper-locked': {
    status: 503,
    title:
      'the keeper is locked until its custodians or its device open it; what was taken is kept',
    remedy:
      'amanat ceremony unseal, while amanat serve runs (status says what it waits for); then begin again with the same file',
  },
  'not-witnessed': {
    status: 503,
    title: 'too few witnesses cosign the log; what was taken is kept',
    remedy: 'begin again with the same file once they do: it goes on where it stopped',
  },
  'store-unavailable': {
    status: 503,
    title: 'the store cannot be written; what was taken is kept',
    remedy:
      'make room on the disk, then begin again with the same file: it goes on where it stopped',
  },
} as const satisfies Readonly<Record<string, Meaning>>;
