//! Messages that change nothing: eth_call, eth_estimateGas, eth_createAccessList.

use crate::convert::AtArgument;
use crate::engine::Engine;
use crate::error;
use crate::state::State;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::time::Duration;
use zg_chain::{CallFields, StateOverrides};
use zg_evm::{BlockEnv, CallFailure, CallLimits, Output};
use zg_state::View;

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct CallRequest {
    fields: CallFields,
    overrides: StateOverrides,
    limits: CallLimits,
}

#[pymethods]
impl CallRequest {
    #[new]
    fn new(tx_json: &[u8], overrides_json: Option<&[u8]>, gas_cap: u64, timeout_ms: u64) -> PyResult<Self> {
        let fields = CallFields::parse(tx_json).map_err(|error| error::argument(0, error))?;
        let overrides = overrides_json.map(StateOverrides::parse).transpose();
        let overrides = overrides.map_err(|error| error::argument(2, error))?.unwrap_or_default();
        let limits = CallLimits { gas_cap, timeout: Duration::from_millis(timeout_ms) };
        Ok(Self { fields, overrides, limits })
    }
}

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct CallError {
    #[pyo3(get)]
    code: i32,
    #[pyo3(get)]
    message: String,
    #[pyo3(get)]
    data: Option<Py<PyBytes>>,
}

fn call_error(py: Python<'_>, failure: &CallFailure) -> CallError {
    let data = failure.data().map(|data| PyBytes::new(py, data).unbind());
    CallError { code: failure.code(), message: failure.to_string(), data }
}

/// A failure that is raised: a revert carries its data.
fn raised(failure: CallFailure) -> PyErr {
    let text = failure.to_string();
    match failure {
        CallFailure::View(error) => error::view(error),
        _ => match failure.data() {
            Some(data) => error::Reverted::new_err((text, data.to_vec())),
            None => error::InvalidRequest::new_err((text, failure.code())),
        },
    }
}

/// Where messages run: the state after a block, in that block's environment.
struct Place {
    view: View,
    env: BlockEnv,
}

impl Engine {
    fn place(&self, state: &State, at: &AtArgument, header: &[u8]) -> PyResult<Place> {
        let header = zg_chain::header::decode(header).map_err(error::stored)?;
        let view = state.get()?.view(at.at()?).map_err(error::state)?;
        Ok(Place { view, env: self.env(&header) })
    }
}

#[pymethods]
impl Engine {
    fn call<'py>(
        &self,
        py: Python<'py>,
        state: &State,
        at: AtArgument,
        header: &[u8],
        calls: Vec<PyRef<'py, CallRequest>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let Place { view, env } = self.place(state, &at, header)?;
        let requests: Vec<&CallRequest> = calls.iter().map(|call| &**call).collect();
        let answers: Vec<Result<Output, CallFailure>> = py.detach(|| {
            let run = |call: &&CallRequest| self.evm.call(&view, &env, &call.fields, &call.overrides, call.limits);
            requests.iter().map(run).collect()
        });
        let list = PyList::empty(py);
        for answer in answers {
            match answer {
                Ok(output) => list.append(PyBytes::new(py, &output.output))?,
                Err(failure) => list.append(Bound::new(py, call_error(py, &failure))?)?,
            }
        }
        Ok(list)
    }

    fn estimate_gas(
        &self,
        py: Python<'_>,
        state: &State,
        at: AtArgument,
        header: &[u8],
        call: &CallRequest,
    ) -> PyResult<u64> {
        let Place { view, env } = self.place(state, &at, header)?;
        py.detach(|| self.evm.estimate_gas(&view, &env, &call.fields, &call.overrides, call.limits)).map_err(raised)
    }

    fn access_list_json<'py>(
        &self,
        py: Python<'py>,
        state: &State,
        at: AtArgument,
        header: &[u8],
        call: &CallRequest,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let Place { view, env } = self.place(state, &at, header)?;
        let json = py
            .detach(|| self.evm.access_list(&view, &env, &call.fields, &call.overrides, call.limits))
            .map_err(raised)?
            .to_json();
        Ok(PyBytes::new(py, &json))
    }
}
