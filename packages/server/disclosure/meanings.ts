import type { GrantRefusal } from '@amanat/core/grants';
import type { AskRejection } from '@amanat/keeper/client';
import type { Meaning } from '../http/problem.ts';
import type { UnavailableCode } from './errors.ts';

const meaning =
  (status: number) =>
  (title: string, remedy: string): Meaning => ({ status, title, remedy });
const refusal = meaning(403);
const rejection = meaning(401);
const absence = meaning(503);

/** What each refusal of the grants table means. */
export const refusals: Readonly<Record<GrantRefusal, Meaning>> = {
  'undeclared-holding': refusal(
    'no holding of this name is declared',
    'ask for a holding that the register lists',
  ),
  'undeclared-group': refusal(
    'the holding has no such group of fields',
    'ask for groups that the holding’s declaration names',
  ),
  'undeclared-purpose': refusal(
    'the holding is not declared for this purpose',
    'state a purpose that the holding’s declaration names, if it is truly yours',
  ),
  'undeclared-legal-basis': refusal(
    'the holding is not declared for this legal basis',
    'state a legal basis that the holding’s declaration names, if it is truly yours',
  ),
  'undeclared-recipient': refusal(
    'your agency is not among the holding’s recipients',
    'ask the holding’s controller; only a new declaration can change it',
  ),
  forbidden: refusal(
    'a rule of the grants forbids it',
    'see the rule named; only a new grants table can change it',
  ),
  'no-grant': refusal(
    'no rule of the grants allows it',
    'see `grants explain` for what your agency may ask; only a new grants table can change it',
  ),
  'outside-hours': refusal(
    'the rule that would allow it is not open at this hour',
    'ask again within the rule’s hours',
  ),
  'too-many-subjects': refusal(
    'the request names more people than the rule allows at a time',
    'ask about fewer people at a time',
  ),
  'budget-spent': refusal(
    'your budget for today is spent',
    'ask again tomorrow, or have a colleague with budget left ask',
  ),
  'agency-budget-spent': refusal('your agency’s budget for today is spent', 'ask again tomorrow'),
  'seal-undeclared-agency': refusal(
    'no seal rules are in force by which your agency may have a look-up withheld',
    'ask without a seal; only new seal rules can change it',
  ),
  'seal-undeclared-ground': refusal(
    'the seal rules name no such ground',
    'state a ground that `seals show` lists, if it is truly yours',
  ),
  'seal-not-ahead': refusal(
    'the seal’s date has come already, or is no later than the one it would move',
    'state a later date',
  ),
  'seal-too-long': refusal(
    'the date is past what the ground allows, counted from the look-up, or the seal was extended too often',
    'state a date within the days that `seals show` lists',
  ),
  'seal-ceiling': refusal(
    'your agency has as many look-ups sealed as the rules allow',
    'ask without a seal, or once others have opened',
  ),
  'seal-over': refusal(
    'the seal’s date has come: it opens by itself',
    'an extension is signed before the date',
  ),
  'seal-overdue': refusal(
    'a sealed look-up of your agency should have opened a day ago, and until it does nothing is read',
    'tell the operator: the gateway has to enter what the keeper opens',
  ),
};

/** What each rejection means: of an ask that shows no authority, and has no entry. */
export const rejections: Readonly<Record<AskRejection, Meaning>> = {
  malformed: meaning(400)('the ask is not in its form', 'send it as the API’s description says'),
  'unknown-key': rejection('the signing key is not enrolled', 'have the key enrolled first'),
  'not-yet-active': rejection(
    'the key’s certificate is not in force yet',
    'wait until its activation; the register shows when',
  ),
  'revoked-key': rejection('the signing key is revoked', 'have a new key enrolled'),
  'expired-key': rejection('the key’s certificate has expired', 'have it certified again'),
  'bad-signature': rejection(
    'the signature is not this key’s over this document',
    'sign the very document that is sent',
  ),
  'wrong-role': rejection(
    'the key’s role does not allow this',
    'sign with a key that is certified for it',
  ),
  'suspended-key': rejection(
    'the key is suspended: two different requests bore one sequence number',
    'tell your administrators: the key may be in other hands; have a new one enrolled',
  ),
  stale: rejection(
    'the document was signed too long ago',
    'sign it again; if it was signed just now, set the clock of the machine that signs',
  ),
  'clock-ahead': rejection(
    'the document’s time lies in the future',
    'set the clock of the machine that signs, and sign again',
  ),
  replayed: rejection('this document has been answered before', 'sign a new one'),
  'sequence-reused': rejection(
    'another request has borne this sequence number: the key is suspended now',
    'tell your administrators: the key may be in other hands; have a new one enrolled',
  ),
  'selectors-differ': rejection(
    'the selectors are not those that were signed',
    'send the selectors that the signed root was made of, in their order',
  ),
  'bad-approval': rejection(
    'the approval does not hold for this request',
    'have the approver sign the hash of this very request',
  ),
  'approver-same-person': rejection('the approver is the officer', 'have another person approve'),
  'approver-same-line': rejection(
    'the approver stands in the officer’s own line of command',
    'have a person of another line approve',
  ),
  'approver-unknown': rejection(
    'the approver’s key is not certified to approve, or not in force',
    'have an approver of your agency whose key is in force approve',
  ),
  'unknown-code': rejection(
    'no one has this code',
    'check the code; if it is lost, ask the registrar for a new one',
  ),
  'unknown-seal': rejection(
    'your agency has no such seal open',
    'name the place in the log of a sealed look-up of your agency that is not opened yet',
  ),
  'nothing-declared': meaning(409)(
    'no holding is declared yet',
    'declare a holding first, and wait until it is in force',
  ),
  'unknown-controller': meaning(409)(
    'no holding in force is of this controller',
    'name a controller that the register lists',
  ),
  'too-many-open': meaning(503)(
    'more is open at the keeper than it takes at a time',
    'ask again shortly',
  ),
};

/** Why nothing can be asked just now. */
export const unavailable: Readonly<Record<UnavailableCode, Meaning>> = {
  busy: absence('more is being asked than is taken at a time', 'ask again shortly'),
  'keeper-unavailable': absence(
    'the keeper cannot be reached, and without it nothing can be read',
    'ask again once health says that the keeper is there; sign a new request',
  ),
  'keeper-locked': absence(
    'the keeper is locked, and without it nothing can be read',
    'ask again once its custodians have unsealed it; sign a new request',
  ),
  'log-unavailable': absence(
    'the log cannot be written, and without an entry nothing can be read',
    'ask again once health says that the log is writable; sign a new request',
  ),
  'not-witnessed': absence(
    'too few witnesses cosign the log, and without them nothing can be read',
    'ask again once health says that the log is witnessed; sign a new request',
  ),
  'store-unavailable': absence(
    'the store cannot be read',
    'ask again once health says that all is well; sign a new request',
  ),
  stopping: absence('this instance is stopping', 'ask again once it is back'),
};
