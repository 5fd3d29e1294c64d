//! Unsigned integers whose order is that of elements.

use half::{bf16, f16};

use crate::dtype::Element;

/// An element type with an order that integers can have: NaN is the greatest, −0 is below 0.
pub trait Ordered: Element {
    /// An unsigned integer of at least the element's size.
    type Key: Copy + Ord + Send + Sync + Into<u64>;

    /// The integer; all NaN have one.
    fn key(self) -> Self::Key;
    /// The integer in the opposite order.
    fn key_descending(self) -> Self::Key;
    /// The element of an integer.
    fn of(key: Self::Key) -> Self;
    /// The element of an integer in the opposite order.
    fn of_descending(key: Self::Key) -> Self;
    /// The element in whose place it is compared: 0 for −0.
    fn canonical(self) -> Self {
        self
    }
}

macro_rules! ordered {
    ($($type:ty, $key:ty, $to:expr, $from:expr;)*) => {
        $(impl Ordered for $type {
            type Key = $key;

            #[inline]
            fn key(self) -> $key {
                ($to)(self)
            }
            #[inline]
            fn key_descending(self) -> $key {
                !($to)(self)
            }
            #[inline]
            fn of(key: $key) -> Self {
                ($from)(key)
            }
            #[inline]
            fn of_descending(key: $key) -> Self {
                ($from)(!key)
            }
        })*
    };
}

macro_rules! ordered_float {
    ($($type:ty, $key:ty, $signed:ty, $zero:expr;)*) => {
        $(impl Ordered for $type {
            type Key = $key;

            #[inline]
            fn key(self) -> $key {
                const TOP: $key = 1 << (<$key>::BITS - 1);
                let bits = if self.is_nan() { <$type>::NAN.to_bits() & !TOP } else { self.to_bits() };
                // Negative numbers are turned around, the others come behind them.
                bits ^ (((bits as $signed) >> (<$key>::BITS - 1)) as $key | TOP)
            }
            #[inline]
            fn key_descending(self) -> $key {
                !self.key()
            }
            #[inline]
            fn of(key: $key) -> Self {
                const TOP: $key = 1 << (<$key>::BITS - 1);
                <$type>::from_bits(key ^ (((!key as $signed) >> (<$key>::BITS - 1)) as $key | TOP))
            }
            #[inline]
            fn of_descending(key: $key) -> Self {
                Self::of(!key)
            }
            #[inline]
            fn canonical(self) -> Self {
                if self == $zero { $zero } else { self }
            }
        })*
    };
}

ordered! {
    bool, u16, |x: bool| u16::from(x), |key: u16| key & 1 != 0;
    u8, u16, |x: u8| u16::from(x), |key: u16| key as u8;
    u16, u16, |x: u16| x, |key: u16| key;
    u32, u32, |x: u32| x, |key: u32| key;
    u64, u64, |x: u64| x, |key: u64| key;
    i8, u16, |x: i8| u16::from(x as u8 ^ 0x80), |key: u16| (key as u8 ^ 0x80) as i8;
    i16, u16, |x: i16| x as u16 ^ 0x8000, |key: u16| (key ^ 0x8000) as i16;
    i32, u32, |x: i32| x as u32 ^ 0x8000_0000, |key: u32| (key ^ 0x8000_0000) as i32;
    i64, u64, |x: i64| x as u64 ^ (1 << 63), |key: u64| (key ^ (1 << 63)) as i64;
}

ordered_float! {
    f16, u16, i16, f16::ZERO;
    bf16, u16, i16, bf16::ZERO;
    f32, u32, i32, 0.0;
    f64, u64, i64, 0.0;
}
