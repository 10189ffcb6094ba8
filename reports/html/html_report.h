#pragma once
#include <string>
#include <vector>

#include "reports/plots/plots.h"
#include "reports/tables/report_page.h"

namespace cotenant {

// One self-contained page: no script, no network, no file beside it; a content security policy says so to the
// browser. Names of tenants, tiers and scenarios may be hostile. Pictures that are no SVG are left out and
// named.
std::string html_report(const ReportPage& page, const PlotSet& plots);

}  // namespace cotenant
