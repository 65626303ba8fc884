/** The same word in Latin and in Urdu script. */
export interface WrittenName {
  readonly english: string;
  readonly urdu: string;
}

export type Gender = 'man' | 'woman';

/** Common given names; with a family name drawn apart, a full name is nobody's in particular. */
export const GIVEN_NAMES: Readonly<Record<Gender, readonly WrittenName[]>> = {
  man: pairs(
    'Ahmad احمد, Bilal بلال, Danish دانش, Faisal فیصل, Hamza حمزہ, Haris حارث, Junaid جنید, Kamran کامران, ' +
      'Nadeem ندیم, Omar عمر, Rashid راشد, Saad سعد, Salman سلمان, Tariq طارق, Usman عثمان, Waqas وقاص, ' +
      'Yasir یاسر, Zubair زبیر, Adeel عدیل, Shahid شاہد',
  ),
  woman: pairs(
    'Aisha عائشہ, Amna آمنہ, Bushra بشریٰ, Fatima فاطمہ, Hina حنا, Iqra اقرا, Javeria جویریہ, Khadija خدیجہ, ' +
      'Lubna لبنیٰ, Maryam مریم, Nadia نادیہ, Rabia رابعہ, Sadia سعدیہ, Saima صائمہ, Sana ثنا, Tahira طاہرہ, ' +
      'Uzma عظمیٰ, Yasmin یاسمین, Zainab زینب, Zara زارا',
  ),
};

export const FAMILY_NAMES: readonly WrittenName[] = pairs(
  'Anwar انور, Aslam اسلم, Akhtar اختر, Baig بیگ, Chaudhry چوہدری, Farooqi فاروقی, Ghauri غوری, Hashmi ہاشمی, ' +
    'Iqbal اقبال, Javed جاوید, Karim کریم, Latif لطیف, Malik ملک, Mirza مرزا, Nasir ناصر, Qadri قادری, ' +
    'Qureshi قریشی, Rafiq رفیق, Saeed سعید, Siddiqui صدیقی, Tahir طاہر, Yousaf یوسف, Zaman زمان',
);

/** Invented towns: their first halves mean "example", "sample", "made up", "imagined", "tale". */
export const TOWNS = [
  'Misalabad',
  'Namunapur',
  'Farziganj',
  'Khayalabad',
  'Qissanagar',
  'Nakshapur',
] as const;

/** Invented border posts, each with the invented carriers that pass it. */
export const POSTS = [
  { name: 'Misalabad Airport', carriers: ['Demo Air', 'Specimen Airways'] },
  { name: 'Khayalabad Airport', carriers: ['Demo Air', 'Specimen Airways'] },
  { name: 'Farzi Pass', carriers: ['Sample Coaches', 'Own vehicle'] },
  { name: 'Namuna Gate', carriers: ['Sample Coaches', 'On foot'] },
  { name: 'Qissa Harbour', carriers: ['Example Ferries'] },
] as const;

export const OPERATORS = ['Alif Mobile', 'Bay Telecom', 'Jeem Cellular', 'Daal Networks'] as const;
export const BIOMETRIC_STATUSES = ['verified', 'pending', 'failed'] as const;
export const DIRECTIONS = ['entry', 'exit'] as const;

function pairs(text: string): WrittenName[] {
  return text.split(', ').map((pair) => {
    const [english = '', urdu = ''] = pair.split(' ');
    return { english, urdu };
  });
}
