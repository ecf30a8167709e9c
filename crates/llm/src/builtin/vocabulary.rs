//! Word lists, in lower case and without accents.

use super::language::Language;

/// Words that carry no meaning of their own, by language: the commonest, those that make a
/// question, and courtesies.
pub(crate) const STOPWORDS: &[(Language, &str)] = &[
    (
        Language::English,
        "a an the and or but if then than so as at by for from in into of off on onto to with without \
         within about over under up out is are was were be been being am do does did done doing don \
         doesn didn isn aren wasn won can could cannot couldn will would shall should may might must \
         have has had having haven i me my mine we us our ours you your yours he him his she her it \
         its they them their this that these those there here what which who whom whose when where \
         why how much many long often far soon any some no not yes all each every more most other \
         such only own same too very just also please thanks thank hello hi hey tell know want get \
         got let ll ve re like there s t m d give explain say says happen happens need able",
    ),
    (
        Language::German,
        "der die das den dem des ein eine einen einem einer eines und oder aber wenn dann als wie so \
         am an auf aus bei bis durch fur gegen im in ins ist sind war waren sein mit nach ohne seit \
         uber um unter vom von vor wahrend zu zum zur ich mich mir mein meine meinen wir uns unser \
         unsere du dich dir dein deine sie ihr ihre ihren ihnen er es man sich nicht kein keine auch \
         noch nur sehr schon hier dort was wer wem wen wo wohin woher wann warum wieso weshalb welche \
         welcher welches welchen wieviel viel viele lange oft kann konnen konnte muss mussen soll \
         darf durfen wird werden wurde hat habe haben hatte gibt geht macht machen mochte bitte danke \
         hallo guten tag sagen wissen ja nein bekomme bekommt bekommen brauche",
    ),
    (
        Language::French,
        "le la les l un une des du de d et ou mais si alors que qu qui quoi quel quelle quels quelles \
         quand comment combien pourquoi ou est sont etait etre suis es sommes etes ai as a avons avez \
         ont avoir ce cet cette ces ca cela il elle ils elles on je j me m moi mon ma mes nous notre \
         nos vous votre vos tu te ton ta tes se s son sa ses leur leurs y en dans sur sous avec sans \
         pour par chez vers au aux ne n pas plus tres aussi peut peux pouvez puis faire fait faut \
         dois doit merci bonjour svp plait oui non t",
    ),
    (
        Language::Spanish,
        "el la los las un una unos unas lo y o u e pero si entonces que quien quienes cual cuales \
         cuando cuanto cuanta cuantos cuantas como donde adonde por porque para con sin sobre en de \
         del al a ante desde hasta entre es son era ser soy esta estan estar estoy hay he ha han haber \
         tengo tiene tienen tener yo me mi mis nosotros nos nuestro nuestra tu te ti su sus se le les \
         usted ustedes el ella ellos este esta esto estos estas ese esa eso no si muy mas tambien \
         puedo puede pueden hacer hace favor gracias hola buenos dias debo debe",
    ),
    (
        Language::Italian,
        "il lo la i gli le un uno una e o ma se allora che chi cosa quale quali quando quanto quanta \
         quanti quante come dove perche per con senza su in di da del della dei delle dello degli al \
         alla ai alle allo nel nella nei nelle dal dalla sul sulla tra fra e sono era essere sei siamo \
         siete ho hai ha abbiamo avete hanno avere io mi me mio mia miei noi ci nostro nostra tu ti tuo \
         tua lei lui loro voi vi vostro vostra vostri si suo sua questo questa questi queste quello \
         quella non piu molto anche posso puo potete fare fa devo deve grazie ciao buongiorno favore c",
    ),
    (
        Language::Portuguese,
        "o a os as um uma uns umas e ou mas se entao que quem qual quais quando quanto quanta quantos \
         quantas como onde aonde por porque para pra com sem sobre em de do da dos das no na nos nas ao \
         aos num numa pelo pela desde ate entre e sao era ser sou esta estao estar estou ha tem tenho \
         tinha ter eu me mim meu minha meus nos nosso nossa voce voces tu te teu tua ele ela eles elas \
         seu sua seus se lhe este esta isto esse essa isso nao sim muito mais tambem posso pode podem \
         fazer faz favor obrigado obrigada ola bom dia devo deve",
    ),
];

/// Words and characters of Chinese and Japanese that carry no meaning; longer ones first.
pub(super) const CJK_STOPS: &[&str] = &[
    "为什么",
    "什么时候",
    "多长时间",
    "什么",
    "怎么",
    "怎样",
    "如何",
    "多少",
    "多久",
    "哪里",
    "哪儿",
    "请问",
    "你们",
    "我们",
    "您们",
    "他们",
    "可以",
    "能否",
    "是否",
    "需要",
    "的",
    "了",
    "吗",
    "呢",
    "吧",
    "啊",
    "是",
    "有",
    "在",
    "和",
    "与",
    "或",
    "我",
    "你",
    "您",
    "几",
    "哪",
    "ですか",
    "ます",
    "です",
    "には",
    "は",
    "が",
    "を",
    "に",
    "の",
    "と",
    "も",
    "か",
];

/// Words that name the topic of hardly any question.
pub(super) const FAINT: &str = "policy policies information info detail details question thing things help company business \
     product products item items offer possible way work works working use using exactly general \
     currently write today now new kind type time times frage information firma produkt artikel moglich \
     question produit entreprise possible pregunta producto empresa posible domanda prodotto azienda \
     possibile pergunta produto";

/// Words of customers' everyday questions that stand for each other, across languages; the groups
/// that a sign can stand for come first, see [`SIGNS`].
pub(super) const KIN: &[&str] = &[
    "price cost costs fee charge charges expensive kosten kostet preis preise gebuhr gebuhren prix cout \
     coute tarif tarifs frais precio precios cuesta costo coste tarifa prezzo prezzi costa tariffa \
     preco precos custa custo euro euros eur usd dollar dollars",
    "discount coupon voucher promo rabatt gutschein remise reduction descuento cupon sconto desconto",
    "mail email correo courriel posta",
    "address located location street adresse standort strasse rue direccion ubicacion calle indirizzo \
     endereco rua",
    "ship shipping send sent shipment delivery deliver dispatch versand versandt versenden lieferung liefern \
     liefert lieferzeit livraison livrer livrez expedition envio envios enviar envian entrega \
     entregar spedizione spedite consegna frete",
    "return refund retoure ruckgabe ruckgaberecht zuruckgeben zurucksenden zuruckschicken erstattung \
     retour retours retourner renvoyer remboursement devolucion devoluciones devolver reembolso reso \
     restituire rimborso devolucao devolucoes",
    "open opening opened hours closed close offnungszeiten geoffnet offnen offnet horaires ouvert \
     ouverte ouverture ouvrez horario horarios abierto abierta abren abre apertura orari orario \
     aperto aperti aprite aberto aberta abrem funcionamento",
    "phone telephone call number tel telefon telefonnummer anrufen appeler telefono llamar telefone \
     ligar",
    "warranty guarantee garantie garantia garanzia gewahrleistung",
    "cancel cancellation stornieren stornierung kundigen kundigung annuler annulation resilier \
     cancelar cancelacion annullare annullamento cancelamento",
    "pay payment paid zahlen bezahlen zahlung zahlungsarten payer paiement pagar pago pagos pagare \
     pagamento pagamenti",
    "deadline period term days frist zeitraum tage delai delais jours plazo plazos termine giorni \
     prazo prazos",
    "exchange swap umtausch umtauschen echange echanger cambiar cambio cambiare trocar troca",
    "shop store branch laden filiale geschaft magasin boutique tienda negozio loja",
    "free gratis kostenlos kostenfrei gratuit gratuite gratuito gratuita",
    "broken defective damaged faulty defekt kaputt beschadigt casse defectueux roto danado rotto \
     difettoso quebrado danificado",
];

/// Signs that stand for a word of the group in [`KIN`] beside them.
pub(super) const SIGNS: &[(usize, &[&str])] = &[
    (0, &["€", "$", "£", "¥", "元", "EUR", "USD"]),
    (1, &["%"]),
    (2, &["@"]),
    (3, &["@"]),
];
