import type { Directory } from '../directory.ts';
import { ContactLines } from '../parts/contact-lines.tsx';
import { counted, useWords } from '../use-words.ts';
import { EntryProof } from './entry-proof.tsx';
import type { LookUp } from './look-ups.ts';
import { sharesOf } from './look-ups.ts';

const REFUSALS = [
  'undeclared-holding',
  'undeclared-group',
  'undeclared-purpose',
  'undeclared-legal-basis',
  'undeclared-recipient',
  'forbidden',
  'no-grant',
  'outside-hours',
  'too-many-subjects',
  'budget-spent',
  'agency-budget-spent',
  'seal-overdue',
] as const;

/** One look-up: when, who, what came of it, what for, and whom to ask. */
export function LookUpItem({
  lookUp,
  directory,
}: {
  readonly lookUp: LookUp;
  readonly directory: Directory;
}) {
  const { t, format, language, term } = useWords();
  const { statement, outcome, controller, alias, entry, withheld } = lookUp;
  const { agency, refusal, purpose, legalBasis, time } = statement;
  const name = agency === null ? t('lookUps.unnamed') : directory.agencyName(agency, language);
  const known = REFUSALS.find((code) => code === refusal);
  return (
    <li className={`look-up look-up-${outcome}`} data-outcome={outcome}>
      <p className="when">
        <time dateTime={new Date(time).toISOString()}>
          {format.shortDate(time)}
          <span>{format.clock(time)}</span>
        </time>
      </p>
      <div className="what">
        <h3>{name}</h3>
        <p className="outcome">{t(`outcome.${outcome}`)}</p>
        {refusal !== null && (
          <p>
            {known === undefined ? t('refusal.other', { code: refusal }) : t(`refusal.${known}`)}
          </p>
        )}
        {statement.approved !== null && <p>{t('lookUps.approved')}</p>}
        {withheld !== null && (
          <p className="withheld">
            {t('lookUps.withheld', {
              date: format.date(Date.parse(`${withheld.until}T12:00:00`)),
              grounds: format.list(withheld.grounds.map(term)),
            })}
          </p>
        )}
        {alias && (
          <p>
            {t('lookUps.byNumber', { controller: directory.controllerName(controller, language) })}
          </p>
        )}
        {!entry.sound && <p className="unsound">{t('lookUps.unsound')}</p>}
        <dl>
          <div>
            <dt>{t(outcome === 'read' ? 'lookUps.read' : 'lookUps.asked')}</dt>
            <dd>
              <ul className="shares">
                {sharesOf(statement).map(({ holding, groups, records }) => (
                  <li key={holding}>
                    <b>
                      {records === 0
                        ? directory.holdingTitle(holding, language)
                        : t('lookUps.records', {
                            title: directory.holdingTitle(holding, language),
                            ...counted(records, format),
                          })}
                    </b>
                    <span>{format.list(directory.fieldTitles(holding, groups, language))}</span>
                  </li>
                ))}
              </ul>
            </dd>
          </div>
          <div>
            <dt>{t('lookUps.purpose')}</dt>
            <dd>{purpose === null ? t('lookUps.none') : term(purpose)}</dd>
          </div>
          <div>
            <dt>{t('lookUps.basis')}</dt>
            <dd>{legalBasis === null ? t('lookUps.none') : term(legalBasis)}</dd>
          </div>
          <div>
            <dt>{t('lookUps.from')}</dt>
            <dd>{directory.controllerName(controller, language)}</dd>
          </div>
          <div>
            <dt>{t('lookUps.contact')}</dt>
            <dd>
              <ContactLines
                name={name}
                contact={agency === null ? null : directory.agencyContact(agency)}
              />
            </dd>
          </div>
        </dl>
        <EntryProof told={lookUp} directory={directory} />
      </div>
    </li>
  );
}
