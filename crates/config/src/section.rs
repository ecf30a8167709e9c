use crate::load::Reader;
use crate::reference::SectionReference;

/// A group of settings that are read together and described under one title.
pub(crate) trait Section: Sized {
    const REFERENCE: SectionReference;

    /// Reads every field, so that every problem is noted; `None` if there is any.
    fn read(reader: &mut Reader) -> Option<Self>;
}

/// Defines a section once: the struct, how it is read, and its part of the reference.
///
/// A field is `"VARIABLE" = "default" => name: Type`, then `, check function` for a rule beyond its
/// type, then `, production "…"` for what a production installation must do about it.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident, $title:literal;
        $(
            $(#[doc = $doc:literal])+
            $variable:literal $(= $default:literal)? => $field:ident: $type:ty
                $(, check $check:path)? $(, production $production:literal)?;
        )+
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("Variable `", $variable, "`", $(", default `", $default, "`",)? ".")]
                pub $field: $type,
            )+
        }

        impl $crate::section::Section for $name {
            const REFERENCE: $crate::reference::SectionReference = $crate::reference::SectionReference {
                title: $title,
                about: &[$($about),+],
                variables: &[$($crate::reference::Variable {
                    name: $variable,
                    meaning: &[$($doc),+],
                    default: $crate::section::first!($($default)?),
                    production: $crate::section::first!($($production)?),
                }),+],
            };

            fn read(reader: &mut $crate::load::Reader) -> Option<Self> {
                $(
                    let default = $crate::section::first!($($default)?);
                    let $field = reader.read::<$type>($variable, default);
                    $(let $field = reader.check($variable, $field, $check);)?
                )+
                Some(Self { $($field: $field?),+ })
            }
        }
    };
}

macro_rules! first {
    () => {
        None
    };
    ($value:literal) => {
        Some($value)
    };
}

pub(crate) use {first, section};
