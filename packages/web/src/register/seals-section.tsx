import type { Seals } from '../api.ts';
import type { Directory } from '../directory.ts';
import { counted, useWords } from '../use-words.ts';

/** So many months of counts are shown, the latest. */
const COUNTS_SHOWN = 60;

/** By which rules look-ups may be withheld until a date, and how many each agency has withheld in which month. */
export function SealsSection({
  seals: { rules, counts },
  directory,
}: {
  readonly seals: Seals;
  readonly directory: Directory;
}) {
  const { t, format, language, term } = useWords();
  const latest = counts
    .toSorted((a, b) => b.month.localeCompare(a.month) || a.agency.localeCompare(b.agency))
    .slice(0, COUNTS_SHOWN);
  return (
    <article aria-labelledby="seals" className="holding seals">
      <h2 id="seals">{t('seals.title')}</h2>
      <p>{t(rules === null ? 'seals.none' : 'seals.lead')}</p>
      {rules !== null && (
        <dl>
          <div>
            <dt>{t('seals.law')}</dt>
            <dd>{rules.jurisdiction}</dd>
          </div>
          {rules.grounds.map(({ ground, title, daysMax, source }) => (
            <div key={ground}>
              <dt>{title[language]}</dt>
              <dd>
                {t('seals.ground', { term: term(ground), ...counted(daysMax, format) })}{' '}
                <span className="hint">{source}</span>
              </dd>
            </div>
          ))}
          {rules.agencies.map(({ agency, openMax }) => (
            <div key={agency}>
              <dt>{directory.agencyName(agency, language)}</dt>
              <dd>{t('seals.ceiling', counted(openMax, format))}</dd>
            </div>
          ))}
        </dl>
      )}
      {latest.length > 0 && <h3>{t('seals.counts')}</h3>}
      <ul>
        {latest.map(({ agency, month, sealed, extended, opened, refused, awaited }) => {
          const [year = 0, number = 1] = month.split('-').map(Number);
          return (
            <li key={`${month} ${agency}`}>
              {t('seals.count', {
                month: format.month(year, number - 1),
                agency: directory.agencyName(agency, language),
                sealed: format.number(sealed),
                extended: format.number(extended),
                opened: format.number(opened),
                refused: format.number(refused + awaited),
              })}
            </li>
          );
        })}
      </ul>
    </article>
  );
}
