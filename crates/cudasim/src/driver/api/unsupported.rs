//! Functions that cudarc can call and the simulator does not have. They are here so that such a call
//! gets an answer: a missing symbol would be a panic.

use crate::driver::status::{self, Status};

macro_rules! unsupported {
    ($($name:ident)*) => { $(
        /// # Safety
        /// None: arguments are not looked at.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)]
        pub unsafe extern "C" fn $name() -> Status {
            status::NOT_SUPPORTED
        }
    )* };
}

unsupported! {
    cuCtxCreate_v3
    cuDestroyExternalMemory
    cuExternalMemoryGetMappedBuffer
    cuGraphAddKernelNode_v2
    cuGraphCreate
    cuImportExternalMemory
    cuIpcGetEventHandle
    cuIpcGetMemHandle
    cuIpcOpenMemHandle_v2
    cuMemAddressReserve
    cuMemCreate
    cuOccupancyMaxActiveClusters
    cuOccupancyMaxPotentialClusterSize
    cuStreamBeginCaptureToGraph
    cuStreamUpdateCaptureDependencies
}
