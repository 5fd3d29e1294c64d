//! The choice of vector instructions that loops are compiled for.

use std::sync::LazyLock;

/// Vector instructions that loops are compiled for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Vectors {
    Baseline,
    Avx2,
    Avx512,
}

/// The best that this machine has.
pub static VECTORS: LazyLock<Vectors> = LazyLock::new(|| {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if avx2 && avx512 {
            return Vectors::Avx512;
        }
        if avx2 {
            return Vectors::Avx2;
        }
    }
    Vectors::Baseline
});

/// Defines a function that runs an always inlined one, compiled for each kind of vectors. Results are the same bits in
/// all: nothing is reassociated, and fused operations are fused everywhere.
macro_rules! vectorized {
    ($(#[$doc:meta])* $vis:vis unsafe fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty = $body:path;) => {
        $(#[$doc])*
        $vis unsafe fn $name($($argument: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt")]
                unsafe fn avx512($($argument: $type),*) -> $result {
                    // SAFETY: the caller's.
                    unsafe { $body($($argument),*) }
                }
                #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt")]
                unsafe fn avx2($($argument: $type),*) -> $result {
                    // SAFETY: the caller's.
                    unsafe { $body($($argument),*) }
                }
                // SAFETY: the machine has what the function was compiled for.
                match *$crate::kernel::vectors::VECTORS {
                    $crate::kernel::vectors::Vectors::Avx512 => {
                        return unsafe { avx512($($argument),*) };
                    }
                    $crate::kernel::vectors::Vectors::Avx2 => {
                        return unsafe { avx2($($argument),*) };
                    }
                    $crate::kernel::vectors::Vectors::Baseline => {}
                }
            }
            // SAFETY: the caller's.
            unsafe { $body($($argument),*) }
        }
    };
}
pub(crate) use vectorized;
