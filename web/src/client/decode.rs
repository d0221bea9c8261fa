//! JSON to types, in little code.
//!
//! serde compiles a whole reader for every type against every source. Here the
//! text becomes a tree once, and types are read from the tree by the shortest
//! reader there is: objects as maps, lists as lists, nothing by position.

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Reads a value of any type.
pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    from_tree(&tree(text)?)
}

/// The text as a tree.
pub fn tree(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
}

pub fn from_tree<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(Node(value))
}

#[derive(Clone, Copy)]
struct Node<'a>(&'a Value);

fn unexpected() -> Error {
    Error::custom("a value is not of the expected kind")
}

impl<'de> serde::Deserializer<'de> for Node<'_> {
    type Error = Error;

    #[inline(never)]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some(value)) => visitor.visit_i64(value),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(list) => visitor.visit_seq(List(list.iter())),
            Value::Object(map) => visitor.visit_map(Map {
                rest: map.iter(),
                value: &Value::Null,
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.0.as_bool().ok_or_else(unexpected)?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.0.as_u64().ok_or_else(unexpected)?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.0.as_i64().ok_or_else(unexpected)?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.0.as_f64().ok_or_else(unexpected)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0.as_str().ok_or_else(unexpected)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(List(self.0.as_array().ok_or_else(unexpected)?.iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Map {
            rest: self.0.as_object().ok_or_else(unexpected)?.iter(),
            value: &Value::Null,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    /// The value inside, as serde_json has it: `visit_newtype_struct` and not the
    /// visitor of whatever the value is.
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(Choice(word, &Value::Null)),
            Value::Object(map) => {
                let (word, value) = map.iter().next().ok_or_else(unexpected)?;
                visitor.visit_enum(Choice(word, value))
            }
            _ => Err(unexpected()),
        }
    }

    /// Unknown fields are passed over unread.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 char bytes byte_buf unit unit_struct tuple_struct
    }
}

struct List<'a>(std::slice::Iter<'a, Value>);

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        match self.0.next() {
            Some(value) => seed.deserialize(Node(value)).map(Some),
            None => Ok(None),
        }
    }
}

struct Map<'a> {
    rest: serde_json::map::Iter<'a>,
    value: &'a Value,
}

impl<'de> MapAccess<'de> for Map<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        match self.rest.next() {
            Some((key, value)) => {
                self.value = value;
                seed.deserialize(StringDeserializer::new(key.clone())).map(Some)
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Node(self.value))
    }
}

/// A variant by its word, with what it holds.
struct Choice<'a>(&'a str, &'a Value);

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let word = seed.deserialize(StringDeserializer::<Error>::new(self.0.to_owned()))?;
        Ok((word, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Node(self.1))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(unexpected())
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(unexpected())
    }
}

/// A type whose answer is read in parts, since its parts lie flat in one object.
pub trait FromTree: Sized {
    fn from_tree(value: &Value) -> Result<Self, Error>;
}

impl FromTree for shared::container::Details {
    fn from_tree(value: &Value) -> Result<Self, Error> {
        Ok(Self {
            container: from_tree(value)?,
            spec: from_tree(value)?,
        })
    }
}

impl FromTree for shared::image::Details {
    fn from_tree(value: &Value) -> Result<Self, Error> {
        Ok(Self {
            image: from_tree(value)?,
            spec: from_tree(value)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::container::{State, Status};
    use shared::limits::Limits;
    use shared::socket::Data;

    #[test]
    fn types_are_read_as_serde_reads_them() {
        let text = r#"{"status":"running","since":"x","pid":7,"exit_code":null,"health":"healthy","unknown":[1]}"#;
        let state: State = decode(text).expect("valid");
        assert_eq!(state, serde_json::from_str(text).expect("valid"));
        assert_eq!((state.status, state.pid), (Status::Running, Some(7)));
    }

    #[test]
    fn what_the_panel_keeps_in_the_browser_reads_back() {
        use crate::table::{KeySet, Table};
        let table: Table<String, Vec<Vec<String>>> = [("ports".to_owned(), vec![vec!["80".to_owned()]])]
            .into_iter()
            .collect();
        let text = serde_json::to_string(&table).expect("valid");
        assert_eq!(decode::<Table<String, Vec<Vec<String>>>>(&text).expect("reads"), table);
        let set: KeySet<String> = ["a".to_owned(), "b".to_owned()].into_iter().collect();
        let text = serde_json::to_string(&set).expect("valid");
        assert_eq!(decode::<KeySet<String>>(&text).expect("reads"), set);
    }

    #[test]
    fn a_limit_that_is_null_is_told_from_one_that_is_absent() {
        let limits: Limits = decode(r#"{"pids":null,"memory_bytes":5}"#).expect("valid");
        assert_eq!(
            (limits.pids, limits.memory_bytes, limits.cpus),
            (Some(None), Some(Some(5)), None)
        );
    }

    #[test]
    fn a_choice_holds_its_value() {
        let data: Data = decode(r#"{"lines":[{"seq":1,"time":"t","stream":"stdout","text":"a"}]}"#).expect("valid");
        assert!(matches!(data, Data::Lines(lines) if lines.len() == 1));
        assert!(decode::<Data>(r#"{"lines":3}"#).is_err());
    }
}
