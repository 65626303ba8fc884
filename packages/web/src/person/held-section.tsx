import type { Directory } from '../directory.ts';
import { ContactLines } from '../parts/contact-lines.tsx';
import { Lines } from '../parts/lines.tsx';
import { counted, useWords } from '../use-words.ts';
import type { HeldByController } from './session.ts';

/** What is held about her: by whom, why, until when. The controller's word, and said to be. */
export function HeldSection({
  held,
  directory,
}: {
  readonly held: readonly HeldByController[];
  readonly directory: Directory;
}) {
  const { t, format, language, term } = useWords();
  const all = held.flatMap(({ controller, held: found }) =>
    found.map((each) => ({ controller, ...each })),
  );
  return (
    <section aria-labelledby="held">
      <h2 id="held">{t('held.title')}</h2>
      {all.length === 0 && <p>{t('held.none')}</p>}
      <ul className="cards">
        {all.map(({ controller, holding, records, firstImport, until }) => {
          const declared = directory.holding(holding);
          const [year, month] = until.split('-').map(Number) as [number, number];
          return (
            <li key={`${controller} ${holding}`} className="card">
              <h3>{directory.holdingTitle(holding, language)}</h3>
              <p className="amount">{t('held.records', counted(records, format))}</p>
              <dl>
                <div>
                  <dt>{t('held.by')}</dt>
                  <dd>
                    <ContactLines
                      name={directory.controllerName(controller, language)}
                      contact={directory.controllerContact(controller)}
                    />
                  </dd>
                </div>
                <div>
                  <dt>{t('held.why')}</dt>
                  <dd>
                    <Lines items={(declared?.purposes ?? []).map(term)} />
                  </dd>
                </div>
                <div>
                  <dt>{t('held.basis')}</dt>
                  <dd>
                    <Lines items={(declared?.legalBases ?? []).map(term)} />
                  </dd>
                </div>
                <div>
                  <dt>{t('held.since')}</dt>
                  <dd>{format.date(firstImport)}</dd>
                </div>
                <div>
                  <dt>{t('held.until')}</dt>
                  <dd>{t('held.untilText', { month: format.month(year, month - 1) })}</dd>
                </div>
              </dl>
              {declared !== null && (
                <details>
                  <summary>{t('held.more')}</summary>
                  <p>{format.list(declared.fields.map((field) => field.title[language]))}</p>
                </details>
              )}
            </li>
          );
        })}
      </ul>
      <p className="hint">{t('held.word')}</p>
    </section>
  );
}
