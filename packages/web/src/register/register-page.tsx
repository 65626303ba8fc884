import type { ReactNode } from 'react';
import type { DestroyedMonth, Holding, Instance, Seals } from '../api.ts';
import type { Directory } from '../directory.ts';
import { ContactLines } from '../parts/contact-lines.tsx';
import { Lines } from '../parts/lines.tsx';
import { monthsText } from '../parts/months-text.ts';
import { useWords } from '../use-words.ts';
import { DestroyedMonths } from './destroyed-months.tsx';
import { SealsSection } from './seals-section.tsx';

/** The register: every declared holding in plain words, what of it is destroyed, and what may be withheld. */
export function RegisterPage({
  instance,
  directory,
  seals,
  destroyed,
}: {
  readonly instance: Instance;
  readonly directory: Directory;
  readonly seals: Seals;
  readonly destroyed: readonly DestroyedMonth[];
}) {
  const { t } = useWords();
  return (
    <>
      <h1>{t('register.title')}</h1>
      <p className="lead">{t('register.lead')}</p>
      {directory.holdings.length + directory.upcoming.length === 0 && <p>{t('register.none')}</p>}
      {directory.holdings.map((holding) => (
        <HoldingEntry key={holding.holding} holding={holding} from={null} directory={directory}>
          <DestroyedMonths
            instance={instance}
            months={destroyed.filter((each) => each.holding === holding.holding)}
          />
        </HoldingEntry>
      ))}
      {directory.upcoming.map(({ declaration, from }) => (
        <HoldingEntry
          key={`${declaration.holding} ${from}`}
          holding={declaration}
          from={from}
          directory={directory}
        />
      ))}
      <SealsSection seals={seals} directory={directory} />
    </>
  );
}

function HoldingEntry({
  holding,
  from,
  directory,
  children,
}: {
  readonly holding: Holding;
  /** When it will be in force; null where it is. */
  readonly from: number | null;
  readonly directory: Directory;
  /** What stands beside the declaration. */
  readonly children?: ReactNode;
}) {
  const { t, format, language, term } = useWords();
  const { controller, purposes, legalBases, recipients, eventDate, fields } = holding;
  const counted = fields.find((field) => field.name === eventDate)?.title[language];
  const id = from === null ? holding.holding : `${holding.holding}-${from}`;
  const reviewed = Date.parse(`${holding.reviewDate}T12:00:00`);
  return (
    <article aria-labelledby={id} className="holding">
      <h2 id={id}>{holding.title[language]}</h2>
      {from !== null && (
        <p>
          <strong>{t('register.upcoming', { time: format.dateTime(from) })}</strong>
        </p>
      )}
      <dl>
        <div>
          <dt>{t('register.answers')}</dt>
          <dd>
            <ContactLines name={controller.name[language]} contact={controller.contact} />
          </dd>
        </div>
        <div>
          <dt>{t('register.what')}</dt>
          <dd>{format.list(fields.map((field) => field.title[language]))}</dd>
        </div>
        <div>
          <dt>{t('register.why')}</dt>
          <dd>
            <Lines items={purposes.map(term)} />
          </dd>
        </div>
        <div>
          <dt>{t('register.basis')}</dt>
          <dd>
            <Lines items={legalBases.map(term)} />
          </dd>
        </div>
        <div>
          <dt>{t('register.who')}</dt>
          <dd>
            {recipients.length === 0 && t('register.nobody')}
            <Lines items={recipients.map((agency) => directory.agencyName(agency, language))} />
          </dd>
        </div>
        <div>
          <dt>{t('register.kept')}</dt>
          <dd>
            {t('register.keptFrom', {
              time: monthsText(holding.retentionMonths, t, format),
              from: counted ?? t('register.fromImport'),
            })}
          </dd>
        </div>
        <div>
          <dt>{t('register.review')}</dt>
          <dd>{t('register.reviewText', { date: format.date(reviewed) })}</dd>
        </div>
      </dl>
      <details>
        <summary>{t('register.categories')}</summary>
        <table>
          <caption className="visually-hidden">{holding.title[language]}</caption>
          <thead>
            <tr>
              <th scope="col">{t('register.detail')}</th>
              <th scope="col">{t('register.categories')}</th>
            </tr>
          </thead>
          <tbody>
            {fields.map((field) => (
              <tr key={field.name}>
                <th scope="row">{field.title[language]}</th>
                <td>{term(field.category)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
      {children}
    </article>
  );
}
