"""Tables, rendering and checks that several rooms use."""
