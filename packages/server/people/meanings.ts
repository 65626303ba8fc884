import type { EntryRefusal } from '@amanat/core/grants';
import type { Meaning } from '../http/problem.ts';

const meaning = (title: string, remedy: string): Meaning => ({ status: 422, title, remedy });
const OTHER_ROUTE = 'this document is not handed in here';

/** What each refusal of a document means, and what to do. */
export const entryRefusals: Readonly<Record<EntryRefusal, Meaning>> = {
  malformed: meaning(
    'the document is not in its form',
    'mend the member that the detail names, and have it signed again',
  ),
  'no-genesis': meaning('this instance has no genesis entry', 'make an instance with amanat init'),
  'second-genesis': meaning('an instance has one genesis entry', OTHER_ROUTE),
  'not-two-administrators': meaning(
    'the document is not signed by the two administrators',
    'have both administrators sign this very text, each with their own key',
  ),
  'not-the-importer': meaning(
    'the signer is no importer of this holding’s controller',
    'sign with a key that is enrolled as this controller’s importer',
  ),
  'not-the-keeper': meaning('such an entry is signed by the keeper', OTHER_ROUTE),
  'unsigned-expected': meaning('such an entry is the gateway’s own', OTHER_ROUTE),
  'version-not-next': meaning(
    'the version is not the one after the latest',
    'read the latest version, write the document with the next one, and have it signed again',
  ),
  'key-taken': meaning(
    'the key is certified for another person, or has signed this log before',
    'make a new key: one is never shared, never handed on, and never taken up again',
  ),
  replayed: meaning('this document was entered before', 'sign a new one'),
  'undeclared-holding': meaning('no such holding is declared', 'declare the holding first'),
  'unknown-agency': meaning(
    'the certificate names an agency, or a controller, that is not known',
    'add the agency, or declare a holding of the controller, first',
  ),
  'no-break-glass': meaning(
    'the witnesses’ document has no smaller quorum, or the time is not within the next day',
    'declare witnesses with a ‘break glass’, or sign a time within 24 hours',
  ),
  'not-the-log': meaning(
    'the log’s present key and the next one have not both signed this document',
    'hand it in where the next key was drawn: the gateway signs with both',
  ),
  'not-due': meaning(
    'the month is not over by a day, nor announced seven days ago',
    'wait: the gateway enters it by itself once it is due',
  ),
  'already-expired': meaning('the month has expired already', 'nothing is left to be done'),
  'not-of-today': meaning(
    'the announcement was signed more than a day ago, or in the future',
    'sign it again: its seven days have to be public',
  ),
  'unknown-import': meaning('there is no such open import', OTHER_ROUTE),
  'signed-long-ago': meaning(
    'the document is older than its activation delay',
    'have both administrators sign it again, the second within the delay of the first',
  ),
  'unknown-order': meaning('nothing of this kind was ordered', OTHER_ROUTE),
  'unknown-key': meaning('the key was never certified', 'check the key’s id'),
  'primary-changed': meaning(
    'a holding’s controller cannot change',
    'declare a holding of another name for the other controller',
  ),
};
