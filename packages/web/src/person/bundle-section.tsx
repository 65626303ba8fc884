import type { Verification } from '@amanat/core/verify';
import { makeBundle } from '@amanat/core/verify';
import { useState } from 'react';
import { saveFile } from '../save-file.ts';
import { useWords } from '../use-words.ts';

const FILE_NAME = 'amanat-history.json';

/** The file by which the same checks are made elsewhere. There is none where nothing opened. */
export function BundleSection({ verification }: { readonly verification: Verification }) {
  const { t } = useWords();
  const [tooLarge, setTooLarge] = useState(false);
  const { material } = verification;
  if (material === null) return null;
  const download = () => {
    try {
      saveFile(FILE_NAME, makeBundle({ ...verification, material }, Date.now()));
    } catch {
      setTooLarge(true);
    }
  };
  return (
    <section aria-labelledby="bundle">
      <h2 id="bundle">{t('bundle.title')}</h2>
      <p>{t('bundle.text')}</p>
      <button type="button" onClick={download}>
        {t('bundle.download')}
      </button>
      <p role="alert">{tooLarge ? t('bundle.tooLarge') : ''}</p>
    </section>
  );
}
