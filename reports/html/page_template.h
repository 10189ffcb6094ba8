#pragma once

namespace cotenant {

// The report page, a mustache template: {{name}} is escaped, {{{svg}}} holds sanitised pictures only.
extern const char* const kPageTemplate;

}  // namespace cotenant
