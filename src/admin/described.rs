//! JSON that describes itself: a struct of the API and its schema are written once.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Schemas by name, for `components` of the description.
#[derive(Default)]
pub(super) struct Schemas(BTreeMap<&'static str, Value>);

impl Schemas {
    /// A reference to the schema of this name, which is made the first time.
    pub(super) fn named(
        &mut self,
        name: &'static str,
        make: impl FnOnce(&mut Schemas) -> Value,
    ) -> Value {
        if !self.0.contains_key(name) {
            // A placeholder first: a schema may name itself.
            self.0.insert(name, Value::Null);
            let schema = make(self);
            self.0.insert(name, schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// All of them.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect())
    }
}

/// What has a schema.
pub(super) trait Described {
    /// The schema, or a reference to it.
    fn schema(schemas: &mut Schemas) -> Value;
}

/// A time: RFC 3339 with the zone's offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Time(pub(super) String);

/// A day of the configured zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Date(pub(super) String);

impl Described for String {
    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string" })
    }
}

impl Described for &'static str {
    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string" })
    }
}

impl Described for bool {
    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "boolean" })
    }
}

impl Described for f64 {
    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "number" })
    }
}

impl Described for Time {
    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string", "format": "date-time" })
    }
}

impl Described for Date {
    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string", "format": "date" })
    }
}

macro_rules! whole_numbers {
    ($($kind:ty),+) => {$(
        impl Described for $kind {
            fn schema(_: &mut Schemas) -> Value {
                json!({ "type": "integer", "minimum": 0 })
            }
        }
    )+};
}
whole_numbers!(u32, u64, usize);

impl Described for i64 {
    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "integer" })
    }
}

impl<T: Described> Described for Vec<T> {
    fn schema(schemas: &mut Schemas) -> Value {
        json!({ "type": "array", "items": T::schema(schemas) })
    }
}

impl<T: Described> Described for Option<T> {
    fn schema(schemas: &mut Schemas) -> Value {
        let mut schema = T::schema(schemas);
        match schema.get("type").cloned() {
            Some(Value::String(kind)) => {
                schema["type"] = json!([kind, "null"]);
                schema
            }
            Some(_) | None => json!({ "oneOf": [schema, { "type": "null" }] }),
        }
    }
}

/// A schema with a sentence about it.
pub(super) fn about(schema: Value, sentence: &str) -> Value {
    let mut schema = schema;
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), sentence.trim().into());
    }
    schema
}

/// The schema of an object whose fields are always there.
pub(super) fn object(sentence: &str, fields: Vec<(&'static str, Value)>) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let required = json!(required);
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    about(
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }),
        sentence,
    )
}

/// Structs of the API: each with its fields, their kinds and a sentence about each. A field after
/// `with` gives its own fields to the object instead of being one.
macro_rules! described {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident {
            $( $(#[doc = $about:literal])+ $field:ident: $kind:ty, )+
            $( with $inner:ident: $inner_kind:ty, )?
        }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, ::serde::Serialize)]
        pub(in crate::admin) struct $name {
            $( $(#[doc = $about])+ pub(in crate::admin) $field: $kind, )+
            $(
                #[serde(flatten)]
                pub(in crate::admin) $inner: $inner_kind,
            )?
        }

        impl $name {
            /// The fields with their schemas, in order.
            fn fields(
                schemas: &mut $crate::admin::described::Schemas,
            ) -> Vec<(&'static str, ::serde_json::Value)> {
                use $crate::admin::described::about;
                #[allow(unused_mut, reason = "only some have fields of others")]
                let mut fields = vec![
                    $((
                        stringify!($field),
                        about(<$kind>::schema(schemas), concat!($($about),+)),
                    ),)+
                ];
                $( fields.extend(<$inner_kind>::fields(schemas)); )?
                fields
            }
        }

        impl $crate::admin::described::Described for $name {
            fn schema(schemas: &mut $crate::admin::described::Schemas) -> ::serde_json::Value {
                use $crate::admin::described::object;
                schemas.named(stringify!($name), |schemas| {
                    object(concat!($($doc),+), Self::fields(schemas))
                })
            }
        }
    )+};
}
pub(super) use described;
