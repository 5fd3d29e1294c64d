//! Turns preprocessed CUDA C++ into C++ that the host's compiler takes. Only two things need a look at
//! the text: `__shared__` declarations, and the list of kernels.
//!
//! - `__shared__ T x[n];` becomes `static thread_local T x[n];`: one CPU thread runs a block at a time.
//! - `extern __shared__ T x[];` becomes a pointer to the launch's dynamic shared memory.
//! - `__global__` disappears, and every kernel that is not a template gets an entry in the table that
//!   ends the module.

use std::fmt::Write;

const GLOBAL: &str = "__cudasim_global__";
const SHARED: &str = "__cudasim_shared__";

/// A kernel that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct KernelName {
    /// As C++ code names it from the end of the file.
    pub qualified: String,
    /// Whether it has C linkage, so that its name is also its symbol.
    pub c_linkage: bool,
}

/// The translated source and what it defines.
#[derive(Debug)]
pub struct Translation {
    pub source: String,
    pub kernels: Vec<KernelName>,
}

/// Translates preprocessed source.
pub fn translate(text: &str) -> Translation {
    let mut translator = Translator { text, tokens: tokenize(text), output: String::new(), copied: 0 };
    let kernels = translator.run();
    translator.output.push_str(&text[translator.copied..]);
    Translation { source: translator.output, kernels }
}

/// What a brace opened.
#[derive(Clone, PartialEq, Eq)]
enum Scope {
    Namespace(String),
    CLinkage,
    Other,
}

struct Translator<'a> {
    text: &'a str,
    tokens: Vec<(usize, usize)>,
    output: String,
    /// How much of the text is in the output.
    copied: usize,
}

impl Translator<'_> {
    fn run(&mut self) -> Vec<KernelName> {
        let mut kernels: Vec<KernelName> = Vec::new();
        let mut scopes: Vec<Scope> = Vec::new();
        // The first token of the current declaration.
        let mut declaration = 0;
        let mut i = 0;
        while i < self.tokens.len() {
            match self.token(i) {
                GLOBAL => {
                    self.replace(i, i, "");
                    if let Some(name) = self.kernel_defined_at(declaration, i, &scopes)
                        && !kernels.contains(&name)
                    {
                        kernels.push(name);
                    }
                }
                SHARED => {
                    i = self.rewrite_shared(declaration, i, scopes.contains(&Scope::Other));
                    declaration = i + 1;
                }
                "{" => {
                    scopes.push(self.scope_opened_at(i));
                    declaration = i + 1;
                }
                "}" => {
                    scopes.pop();
                    declaration = i + 1;
                }
                ";" => declaration = i + 1,
                _ => {}
            }
            i += 1;
        }
        kernels
    }

    /// The text of a token, or nothing past the end.
    fn token(&self, i: usize) -> &str {
        self.tokens.get(i).map_or("", |&(start, end)| &self.text[start..end])
    }

    /// Puts `replacement` in the place of tokens `first..=last`.
    fn replace(&mut self, first: usize, last: usize, replacement: &str) {
        let start = self.tokens[first].0.max(self.copied);
        self.output.push_str(&self.text[self.copied..start]);
        self.output.push_str(replacement);
        self.copied = self.tokens.get(last).map_or(self.text.len(), |token| token.1);
    }

    /// The token that closes what token `i` opens, or the last one.
    fn closing(&self, mut i: usize, open: &str, close: &str) -> usize {
        let mut depth = 0;
        while i < self.tokens.len() {
            if self.token(i) == open {
                depth += 1;
            } else if self.token(i) == close {
                depth -= 1;
                if depth == 0 {
                    return i;
                }
            }
            i += 1;
        }
        i
    }

    fn scope_opened_at(&self, brace: usize) -> Scope {
        let before = |back: usize| brace.checked_sub(back).map_or("", |i| self.token(i));
        if before(1) == "\"C\"" && before(2) == "extern" {
            Scope::CLinkage
        } else if before(2) == "namespace" {
            Scope::Namespace(before(1).to_string())
        } else if before(1) == "namespace" {
            Scope::Namespace(String::new())
        } else {
            Scope::Other
        }
    }

    /// The kernel whose `__global__` is token `mark`, if a table can name it: a definition that is not
    /// a template.
    fn kernel_defined_at(&self, declaration: usize, mark: usize, scopes: &[Scope]) -> Option<KernelName> {
        let is_template = (declaration..mark).any(|i| self.token(i) == "template");
        let mut name = mark + 1;
        loop {
            let token = self.token(name);
            if token.is_empty() {
                return None;
            } else if token == "__attribute__" {
                name = self.closing(name + 1, "(", ")") + 1;
            } else if self.token(name + 1) == "(" && is_identifier_byte(token.as_bytes()[0]) {
                break;
            } else {
                name += 1;
            }
        }
        let parameters_end = self.closing(name + 1, "(", ")");
        if is_template || self.token(parameters_end + 1) != "{" || scopes.contains(&Scope::Other) {
            return None;
        }
        let qualified = scopes
            .iter()
            .filter_map(|scope| match scope {
                Scope::Namespace(namespace) if !namespace.is_empty() => Some(namespace.as_str()),
                _ => None,
            })
            .chain([self.token(name)])
            .collect::<Vec<_>>()
            .join("::");
        let c_linkage = scopes.contains(&Scope::CLinkage)
            || (declaration..name).any(|i| self.token(i) == "extern" && self.token(i + 1) == "\"C\"");
        Some(KernelName { qualified, c_linkage })
    }

    /// Rewrites the declaration around the `__shared__` at token `mark`; answers the last token that
    /// was dealt with.
    fn rewrite_shared(&mut self, declaration: usize, mark: usize, in_function: bool) -> usize {
        let mut first = mark;
        while first > declaration && matches!(self.token(first - 1), "static" | "extern" | "inline") {
            first -= 1;
        }
        let is_dynamic = (first..mark).any(|i| self.token(i) == "extern") || self.token(mark + 1) == "extern";
        if !is_dynamic {
            self.replace(first, mark, "static thread_local");
            return mark;
        }
        let (mut element, mut name) = (String::new(), String::new());
        let mut i = mark + 1;
        while i < self.tokens.len() && self.token(i) != ";" {
            match self.token(i) {
                "extern" => i += 1,
                "__attribute__" | "alignas" => i = self.closing(i + 1, "(", ")") + 1,
                token if self.token(i + 1) == "[" => {
                    name = token.to_string();
                    i = self.closing(i + 1, "[", "]") + 1;
                }
                token => {
                    element.push_str(token);
                    element.push(' ');
                    i += 1;
                }
            }
        }
        let pointer = format!("(({element}*)__cs.dynamic_shared)");
        let replacement = if in_function {
            format!("{element}* const {name} = {pointer};")
        } else {
            // The address differs from launch to launch, so it cannot be a variable.
            format!("\n#define {name} {pointer}\n")
        };
        self.replace(first, i, &replacement);
        i
    }
}

/// The code that ends a module: its table of kernels. `instances` are kernels asked for by a C++
/// expression, each with the name it is to be found by.
pub fn kernel_table(kernels: &[KernelName], instances: &[(String, String)]) -> String {
    let mut code = String::from("\nstatic const __cs_kernel __cs_kernels[] = {\n");
    let mut add = |name: &str, expression: &str| {
        let _ = writeln!(code, "  __cs_signature<decltype(&{expression})>::entry<&{expression}>({name}),");
    };
    for kernel in kernels {
        // Without C linkage a real module would have the mangled name. The plain one is kinder.
        let name = if kernel.c_linkage { unqualified(&kernel.qualified) } else { &kernel.qualified };
        add(&format!("\"{name}\""), &kernel.qualified);
    }
    for (name, expression) in instances {
        add(&format!("\"{name}\""), expression);
    }
    let count = kernels.len() + instances.len();
    let _ = write!(
        code,
        "  {{0, 0, 0, 0, 0}}\n}};\n__CS_LIST const __cs_kernel* __cudasim_kernels(unsigned* count) {{ *count = {count}; \
         return __cs_kernels; }}\n"
    );
    code.replace("__CS_LIST", "extern \"C\" __attribute__((used, visibility(\"default\")))")
}

fn unqualified(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

fn is_identifier_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Cuts preprocessed text into words, literals and punctuation; line markers and spaces are left out.
fn tokenize(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let start = i;
        match bytes[i] {
            b'#' if start == 0 || bytes[start - 1] == b'\n' => {
                while i < bytes.len() && bytes[i] != b'\n' {
                    i += 1;
                }
            }
            quote @ (b'"' | b'\'') => {
                i += 1;
                while i < bytes.len() && bytes[i] != quote && bytes[i] != b'\n' {
                    i += if bytes[i] == b'\\' { 2 } else { 1 };
                }
                i = (i + 1).min(bytes.len());
                tokens.push((start, i));
            }
            byte if is_identifier_byte(byte) => {
                // A quote within a number separates digits.
                let is_number = byte.is_ascii_digit();
                while i < bytes.len()
                    && (is_identifier_byte(bytes[i])
                        || is_number
                            && bytes[i] == b'\''
                            && bytes.get(i + 1).is_some_and(|b| is_identifier_byte(*b)))
                {
                    i += 1;
                }
                tokens.push((start, i));
            }
            byte => {
                i += 1;
                if !byte.is_ascii_whitespace() && byte.is_ascii() {
                    tokens.push((start, i));
                }
            }
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(name: &str, c_linkage: bool) -> KernelName {
        KernelName { qualified: name.to_string(), c_linkage }
    }

    #[test]
    fn finds_kernels_and_their_linkage() {
        let text = "namespace n { extern \"C\" __cudasim_global__ void __attribute__((x)) a(int p) { } }\n\
                    extern \"C\" { __cudasim_global__ void b() { { } } }\n\
                    __cudasim_global__ void c(const int* q) { }\n\
                    extern \"C\" __cudasim_global__ void a_declaration();\n\
                    template <class T> __cudasim_global__ void d(T t) { }\n";
        let found = translate(text).kernels;
        assert_eq!(found, [kernel("n::a", true), kernel("b", true), kernel("c", false)]);
    }

    #[test]
    fn static_shared_becomes_thread_local() {
        let text = "void f() { __cudasim_shared__ int x[4]; static __cudasim_shared__ char y; }";
        assert_eq!(
            translate(text).source,
            "void f() { static thread_local int x[4]; static thread_local char y; }"
        );
    }

    #[test]
    fn dynamic_shared_becomes_a_pointer() {
        let inside = translate(
            "void f() { extern __cudasim_shared__ __attribute__((aligned(16))) unsigned char s[]; }",
        );
        assert_eq!(
            inside.source,
            "void f() { unsigned char * const s = ((unsigned char *)__cs.dynamic_shared); }"
        );
        let outside = translate("extern __cudasim_shared__ float s[];\nvoid f() { s[0] = 1; }");
        assert!(outside.source.contains("#define s ((float *)__cs.dynamic_shared)"));
    }

    #[test]
    fn literals_are_left_alone() {
        let text = "const char* s = \"__cudasim_shared__ ; { \"; char c = '{'; int n = 1'000;\n";
        assert_eq!(translate(text).source, text);
    }
}
