//! The API of the demo: automations with owners and spaces.
